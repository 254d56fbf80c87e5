#!/bin/sh
# Makes a machine with systemd what an image of Amazon Linux 2023 is to the set-up of a worker: the distribution's repository, an
# SSM agent that runs, and a cloud-init that runs the user data at the first boot. AWS's names lead to the sandbox, whose certificate
# is trusted.
#
#   image.sh REGION ADDRESS NAME… <CERTIFICATE
set -eu
region=$1 address=$2
shift 2
for name in "$@"; do echo "$address $name" >>/etc/hosts; done

bundle=/etc/ssl/certs/ca-certificates.crt
cat >>$bundle
# Node and the AWS CLI bring lists of their own, to which a private CA is added by their own variables.
mkdir -p /etc/systemd/system.conf.d
printf '[Manager]\nDefaultEnvironment=NODE_EXTRA_CA_CERTS=%s AWS_CA_BUNDLE=%s\n' $bundle $bundle >/etc/systemd/system.conf.d/trust.conf

cat >/usr/lib/os-release <<'END'
NAME="Amazon Linux"
VERSION="2023"
ID="amzn"
ID_LIKE="fedora"
VERSION_ID="2023"
PRETTY_NAME="Amazon Linux 2023"
END
# These come by dnf.
rm -f /usr/sbin/logrotate /lib/systemd/system/logrotate.*
mkdir -p /etc/yum.repos.d /etc/rpm /etc/dnf/vars
echo '%_dbpath /var/lib/rpm' >/etc/rpm/macros
echo "$region" >/etc/dnf/vars/awsregion
echo 2023 >/etc/dnf/vars/releasever
# As /etc/yum.repos.d/amazonlinux.repo has it, without the key.
cat >/etc/yum.repos.d/amazonlinux.repo <<'END'
[amazonlinux]
name=Amazon Linux 2023 repository
mirrorlist=https://al2023-repos-$awsregion-de612dc2.s3.dualstack.$awsregion.amazonaws.com/core/mirrors/latest/$basearch/mirror.list
gpgcheck=0
END

cat >/usr/lib/systemd/system/amazon-ssm-agent.service <<'END'
[Unit]
Description=amazon-ssm-agent
[Service]
ExecStart=/bin/sleep infinity
[Install]
WantedBy=multi-user.target
END

# The user data comes from the instance metadata service. Its output goes where cloud-init writes it.
mkdir -p /usr/lib/cloud-init /var/lib/cloud/instance/scripts
cat >/usr/lib/cloud-init/user-data <<'END'
#!/bin/sh
set -eu
umask 0077
script=/var/lib/cloud/instance/scripts/part-001
service=http://169.254.169.254/latest
token=$(curl -sSf -X PUT -H 'X-aws-ec2-metadata-token-ttl-seconds: 60' $service/api/token)
curl -sSf -H "X-aws-ec2-metadata-token: $token" $service/user-data >$script
chmod 0700 $script
umask 0022
exec $script
END
chmod 0755 /usr/lib/cloud-init/user-data
cat >/usr/lib/systemd/system/cloud-final.service <<'END'
[Unit]
Description=Execute cloud user/final scripts
After=network-online.target
Wants=network-online.target
[Service]
Type=oneshot
ExecStart=/usr/lib/cloud-init/user-data
RemainAfterExit=yes
TimeoutSec=0
KillMode=process
TasksMax=infinity
StandardOutput=append:/var/log/cloud-init-output.log
StandardError=append:/var/log/cloud-init-output.log
END
systemctl daemon-reexec
systemctl --quiet enable --now amazon-ssm-agent
