#!/bin/sh
# Makes, in /root/repository, what the package repository of Amazon Linux 2023 has for a worker: packages under the distribution's
# names, which put files where its own ones do. In them are the clone's Node, Debian's logrotate, and a delivery of log files in
# place of the CloudWatch agent. Beside it, in /root/names.pem, are a key and a certificate for AWS's names in the Region.
#
#   packages.sh NODE REGION <DELIVERY
set -eu
node=$1 region=$2
top=/root/rpm
files=$top/files
agent=/opt/aws/amazon-cloudwatch-agent
mkdir -p $files/usr/bin $files/usr/sbin $files$agent/bin $files$agent/etc/amazon-cloudwatch-agent.d $files/etc/systemd/system $top/SPECS \
  /root/repository
cp "$node" $files/usr/bin/node-24
cp /usr/sbin/logrotate $files/usr/sbin/logrotate
cat >$files$agent/bin/start-amazon-cloudwatch-agent
chmod 0755 $files$agent/bin/start-amazon-cloudwatch-agent
# As the package has it: https://github.com/aws/amazon-cloudwatch-agent, packaging/dependencies/amazon-cloudwatch-agent.service
cat >$files/etc/systemd/system/amazon-cloudwatch-agent.service <<END
[Unit]
Description=Amazon CloudWatch Agent
After=network.target

[Service]
Type=simple
ExecStart=$agent/bin/start-amazon-cloudwatch-agent
KillMode=process
Restart=on-failure
RestartSec=60s

[Install]
WantedBy=multi-user.target
END

package() {
  printf '%%package -n %s\nSummary: %s\nAutoReqProv: no\n%%description -n %s\n%s\n%%files -n %s\n' "$1" "$1" "$1" "$1" "$1"
  shift
  printf '%s\n' "$@"
}
{
  printf 'Name: worker\nVersion: 1\nRelease: 1\nSummary: what a worker needs\nLicense: none\nAutoReqProv: no\n'
  # Compression would take seconds for each start, and save nothing.
  printf '%%global debug_package %%{nil}\n%%global __os_install_post %%{nil}\n%%global _binary_payload w.ufdio\n%%description\nall\n'
  printf '%%install\ncp -al %s/. %%{buildroot}\n' $files
  package nodejs24 /usr/bin/node-24
  package logrotate /usr/sbin/logrotate
  package amazon-cloudwatch-agent "$agent" /etc/systemd/system/amazon-cloudwatch-agent.service
} >$top/SPECS/worker.spec
HOME=/root rpmbuild -bb --quiet --define "_topdir $top" --define "_rpmdir /root/repository" $top/SPECS/worker.spec >/root/build.log 2>&1 || {
  tail -n 20 /root/build.log >&2
  exit 1
}
createrepo_c --quiet /root/repository

cd "$(mktemp -d)"
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -sha256 -days 30 -subj '/CN=adjoin sandbox AWS' \
  -addext "subjectAltName=DNS:*.$region.amazonaws.com,DNS:*.s3.$region.amazonaws.com,DNS:*.s3.dualstack.$region.amazonaws.com,DNS:*.secretsmanager.$region.vpce.amazonaws.com" \
  -keyout key.pem -out cert.pem 2>/dev/null
cat key.pem cert.pem >/root/names.pem
