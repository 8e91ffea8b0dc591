"""URLs: how they are parsed, what they identify, and what of them may be shown.

Every URL of a catalogue or a user goes through `parse` first, and the other functions take what it
returned. Only `redacted`, `term_safe` and the `escape_…` functions take any text: errors have to name
what `parse` refused.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .. import lazy_exports

if TYPE_CHECKING:
    from .identity import canonical as canonical
    from .identity import has_placeholder as has_placeholder
    from .identity import identify as identify
    from .identity import is_expiring as is_expiring
    from .identity import is_of_planetary_computer as is_of_planetary_computer
    from .identity import split_plain as split_plain
    from .identity import split_shared_access as split_shared_access
    from .identity import with_parameter as with_parameter
    from .identity import with_placeholders as with_placeholders
    from .identity import without_credentials as without_credentials
    from .identity import without_parameter_values as without_parameter_values
    from .identity import without_parameters as without_parameters
    from .identity import without_secrets as without_secrets
    from .identity import without_signature as without_signature
    from .parsing import Origin as Origin
    from .parsing import filename as filename
    from .parsing import from_path as from_path
    from .parsing import normalised as normalised
    from .parsing import origin as origin
    from .parsing import parse as parse
    from .parsing import suffix as suffix
    from .parsing import to_path as to_path
    from .redaction import escape_controls as escape_controls
    from .redaction import escape_json_controls as escape_json_controls
    from .redaction import has_download_token as has_download_token
    from .redaction import redacted as redacted
    from .redaction import term_safe as term_safe
    from .redaction import without_user as without_user
    from .stores import AZURE as AZURE
    from .stores import GOOGLE as GOOGLE
    from .stores import S3 as S3
    from .stores import StoreAddress as StoreAddress
    from .stores import StoreEndpoints as StoreEndpoints
    from .stores import at_region as at_region
    from .stores import in_other_region as in_other_region
    from .stores import is_store_address as is_store_address
    from .stores import quoted_key as quoted_key
    from .stores import store_address as store_address
else:
    __getattr__ = lazy_exports(
        __name__,
        {
            "identity": "canonical has_placeholder identify is_expiring is_of_planetary_computer split_plain"
            " split_shared_access"
            " with_parameter with_placeholders without_credentials without_parameter_values"
            " without_parameters without_secrets without_signature",
            "parsing": "Origin filename from_path normalised origin parse suffix to_path",
            "redaction": "escape_controls escape_json_controls has_download_token redacted term_safe"
            " without_user",
            "stores": "AZURE GOOGLE S3 StoreAddress StoreEndpoints at_region in_other_region is_store_address"
            " quoted_key store_address",
        },
    )
