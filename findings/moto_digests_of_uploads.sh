#!/usr/bin/env bash
# moto as the S3 of tests: an upload whose digest does not fit its bytes, a copy with a condition that does not hold,
# and the part of an object by its number.
#
# Versions: moto 5.2.5 (server), boto3 1.44.8.
# Seen: put_object() with another Content-MD5, or another x-amz-checksum-sha256, than that of the body is stored with 200;
#   so is a copy with CopySourceIfMatch and an ETag that the source does not have; get_object(PartNumber=2) sends
#   all of an object of two parts. Conditions of get, put and delete are heeded.
# Expected: what S3 answers and its documentation says: BadDigest (400), PreconditionFailed (412), the second part (206).
#   A test that spoils bytes on the way, or races two writers of one key, passes on moto whatever the program does.
# Exits 0 while this is so, 1 when it changes.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv env
env/bin/pip install --quiet --disable-pip-version-check 'moto[server]==5.2.5' boto3==1.44.8
cat > look.py <<'PY'
import base64
import hashlib
import logging
import os
import sys

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError
from moto.server import ThreadedMotoServer

os.environ.update(AWS_ACCESS_KEY_ID="key", AWS_SECRET_ACCESS_KEY="secret", AWS_DEFAULT_REGION="us-east-1")
logging.getLogger("werkzeug").setLevel("ERROR")
server = ThreadedMotoServer("127.0.0.1", port=0, verbose=False)
server.start()
endpoint = "http://%s:%d" % server.get_host_and_port()
plain = Config(request_checksum_calculation="when_required")
client = boto3.client("s3", endpoint_url=endpoint, config=plain)
client.create_bucket(Bucket="chips")
MINIMUM = 5 << 20


def code(call, **words):
    try:
        return call(Bucket="chips", **words)["ResponseMetadata"]["HTTPStatusCode"]
    except ClientError as error:
        return error.response["ResponseMetadata"]["HTTPStatusCode"]


def of(algorithm, body):
    return base64.b64encode(hashlib.new(algorithm, body).digest()).decode()


body, other = b"bytes as they were sent", b"bytes as they were meant"
upload = client.create_multipart_upload(Bucket="chips", Key="two.tif")["UploadId"]
parts = []
for number, piece in enumerate((b"1" * MINIMUM, b"2" * 100), 1):
    where = {"Bucket": "chips", "Key": "two.tif", "UploadId": upload, "PartNumber": number}
    parts.append({"PartNumber": number, "ETag": client.upload_part(**where, Body=piece)["ETag"]})
finished = {"Bucket": "chips", "Key": "two.tif", "UploadId": upload, "MultipartUpload": {"Parts": parts}}
client.complete_multipart_upload(**finished)
wrong = '"0123456789abcdef0123456789abcdef"'
seen = {
    "put, another MD5": code(client.put_object, Key="a", Body=body, ContentMD5=of("md5", other)),
    "put, another SHA-256": code(client.put_object, Key="b", Body=body, ChecksumSHA256=of("sha256", other)),
    "copy, another ETag": code(client.copy_object, Key="c", CopySource="chips/a", CopySourceIfMatch=wrong),
    "get, another ETag": code(client.get_object, Key="a", IfMatch=wrong),
    "put, name taken": code(client.put_object, Key="a", Body=body, IfNoneMatch="*"),
    "bytes of part 2": len(client.get_object(Bucket="chips", Key="two.tif", PartNumber=2)["Body"].read()),
}
for name, found in seen.items():
    print(f"{name}: {found}")
server.stop()
same = [*seen.values()] == [200, 200, 200, 412, 412, MINIMUM + 100]
print("as described" if same else "CHANGED: this finding is out of date")
sys.stdout.flush()
os._exit(0 if same else 1)
PY
env/bin/python look.py
