#!/bin/sh
# Makes a certificate authority and the domain controller's certificate under it, in Samba's TLS directory. The
# authority's key exists only in memory (/run) and only until the certificate is signed, so nothing more can be issued.
#
#   certificate.sh HOST_NAME ADDRESS
set -eu
umask 0077
work=/run/certificate
mkdir -p "$work" /var/lib/samba/private/tls
cd "$work"

openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -sha256 -days 30 \
  -subj '/CN=adjoin sandbox CA' -addext 'keyUsage=critical,keyCertSign,cRLSign' -keyout ca.key -out ca.pem
openssl req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -sha256 \
  -subj "/CN=$1" -keyout key.pem -out request.pem
cat >extensions <<END
basicConstraints = critical,CA:FALSE
keyUsage = critical,digitalSignature
extendedKeyUsage = serverAuth
subjectAltName = DNS:$1,DNS:localhost,IP:127.0.0.1,IP:$2
END
openssl x509 -req -in request.pem -CA ca.pem -CAkey ca.key -CAcreateserial -days 30 -sha256 \
  -extfile extensions -out cert.pem

cp ca.pem cert.pem key.pem /var/lib/samba/private/tls/
cd /
rm -rf "$work"
