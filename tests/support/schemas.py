"""Validation of STAC 1.0.0 and 1.1.0 objects by pystac with the schemas in `data/`, without the network."""

import json
from pathlib import Path
from typing import Any

import jsonschema
import pystac
from pystac.validation import RegisteredValidator
from pystac.validation.local_validator import get_local_schema_cache
from pystac.validation.schema_uri_map import DefaultSchemaUriMap
from pystac.validation.stac_validator import STACValidator
from referencing import Registry, Resource

SCHEMAS = Path(__file__).parent / "data" / "stac_schemas.json"


class OfflineValidator(STACValidator):
    """Has the schemas of `data/` and loads no others: an unknown one is a `KeyError`."""

    def __init__(self) -> None:
        self.schemas: dict[str, Any] = {**get_local_schema_cache(), **json.loads(SCHEMAS.read_text("utf-8"))}
        pairs = [(uri, Resource.from_contents(schema)) for uri, schema in self.schemas.items()]
        self.registry: Registry[Any] = Registry().with_resources(pairs)

    def validate_core(
        self,
        stac_dict: dict[str, Any],
        stac_object_type: pystac.STACObjectType,
        stac_version: str,
        href: str | None = None,
    ) -> str:
        uri = DefaultSchemaUriMap().get_object_schema_uri(stac_object_type, stac_version)
        return self._checked(stac_dict, str(uri))

    def validate_extension(
        self,
        stac_dict: dict[str, Any],
        stac_object_type: pystac.STACObjectType,
        stac_version: str,
        extension_id: str,
        href: str | None = None,
    ) -> str:
        return self._checked(stac_dict, extension_id)

    def _checked(self, document: dict[str, Any], uri: str) -> str:
        schema = self.schemas[uri]
        checker = jsonschema.validators.validator_for(schema)(schema, registry=self.registry)
        if (worst := jsonschema.exceptions.best_match(checker.iter_errors(document))) is not None:
            path = "/".join(map(str, worst.absolute_path))
            raise pystac.STACValidationError(
                f"{document.get('id')}: {path or '(root)'}: {worst.message} [{uri}]"
            )
        return uri


def offline_validator() -> OfflineValidator:
    """Installs the validator in pystac and returns it.

    Afterwards `pystac.validation.validate_dict(raw)` checks a document as it is, and `object.validate()`
    what pystac made of it (which it moves to STAC 1.1.0).
    """
    validator = OfflineValidator()
    RegisteredValidator.set_validator(validator)
    return validator
