#!/bin/sh
# Makes a host's certificate in Samba's TLS directory, signed by the authority that comes on standard input (key and
# certificate, PEM). The authority's key is here in memory (/run) only, and only until the certificate is signed. With a
# domain it is a domain controller's, with what AD's template "Kerberos Authentication" gives to controllers alone; without
# one it is any member's, as the template "Computer" gives it.
#
#   certificate.sh HOST_NAME ADDRESS [DOMAIN]
set -eu
umask 0077
work=/run/certificate
mkdir -p "$work" /var/lib/samba/private/tls
cd "$work"

cat >authority
openssl x509 -in authority -out ca.pem
openssl req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -sha256 \
  -subj "/CN=$1" -keyout key.pem -out request.pem
cat >extensions <<EXTENSIONS
basicConstraints = critical,CA:FALSE
keyUsage = critical,digitalSignature
extendedKeyUsage = serverAuth,clientAuth${3:+,1.3.6.1.5.2.3.5}
subjectAltName = DNS:$1,${3:+DNS:$3,}DNS:localhost,IP:127.0.0.1,IP:$2
EXTENSIONS
openssl x509 -req -in request.pem -CA ca.pem -CAkey authority -CAserial serial -CAcreateserial -days 30 -sha256 \
  -extfile extensions -out cert.pem

cp ca.pem cert.pem key.pem /var/lib/samba/private/tls/
cd /
rm -rf "$work"
