#!/usr/bin/python3
"""Signs a file by a signed call (docs/spec/signed-call.md), from Debian's python3-grpcio and python3-cryptography.

  call_signed.py DESCRIPTORS HOST:PORT CA CERTIFICATE KEY CLUSTER_ID RING RING_KEY FILE > FILE.sig

DESCRIPTORS is src/gen/descriptors.binpb. The caller's key is P-256, the ring is ES256 and signs messages. CLUSTER_ID (hex)
and RING_KEY (PEM) are what this caller believes: `sealwright verify-evidence --json` and `keys export --pem` give them.
"""
import hashlib, os, struct, sys, time
import grpc
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509 import load_pem_x509_certificate
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

descriptors, address, ca, certificate, key, cluster_id, ring, ring_key, file = sys.argv[1:]
read = lambda path: open(path, 'rb').read()
pool = descriptor_pool.DescriptorPool()
for proto in descriptor_pb2.FileDescriptorSet.FromString(read(descriptors)).file:
    pool.Add(proto)
message = lambda name: message_factory.MessageFactory(pool).GetPrototype(
    pool.FindMessageTypeByName('sealwright.v1.' + name))

METHOD = b'/sealwright.v1.SigningService/Sign'
ES256 = ec.ECDSA(hashes.SHA256())
content = read(file)
# Its own id makes a retry give the same signature; that of a signed call is for this one only.
request = message('SignRequest')(ring=ring, message={'message': content}, request_id=os.urandom(16)).SerializeToString()
own_key = serialization.load_pem_private_key(read(key), password=None)
leaf = load_pem_x509_certificate(read(certificate)).public_bytes(serialization.Encoding.DER)
channel = grpc.secure_channel(address, grpc.ssl_channel_credentials(read(ca), read(key), read(certificate)))
call_signed = channel.unary_unary('/sealwright.v1.SessionService/CallSigned',
    message('CallSignedRequest').SerializeToString, message('CallSignedResponse').FromString)

def attempt():
    request_id, not_after_ms = os.urandom(16), int(time.time() * 1000) + 50_000
    signed = (b'sealwright/request/v1\0' + bytes.fromhex(cluster_id) + struct.pack('>I', len(METHOD)) + METHOD
              + request_id + struct.pack('>Q', not_after_ms) + hashlib.sha256(request).digest())
    return call_signed(message('CallSignedRequest')(method=METHOD, request=request, request_id=request_id,
        not_after_ms=not_after_ms, certificates=[leaf], algorithm='ALGORITHM_ES256',
        signature=own_key.sign(signed, ES256)), timeout=50).response

# An enclave that has just started takes none for ten seconds.
for seconds in 3, 3, 3, 3, 0:
    try: answer = message('SignResponse').FromString(attempt()); break
    except grpc.RpcError as error:
        if error.code() != grpc.StatusCode.UNAVAILABLE or not seconds: raise
        time.sleep(seconds)
# Nothing of the answer is believed but this: raises InvalidSignature.
serialization.load_pem_public_key(read(ring_key)).verify(answer.signature, content, ES256)
sys.stdout.buffer.write(answer.signature)
