#!/bin/bash
# Makes an Amazon Linux 2023 instance a worker, at its first boot. Everything comes through the S3 gateway endpoint: packages
# from the distribution's own repositories, the agent from its bucket. The lines before this file assign the variables.
set -euo pipefail

# shellcheck disable=SC2154 # AGENT_BUCKET and the others are assigned before this file
: "$AGENT_BUCKET" "$AGENT_KEY" "$AGENT_SHA256" "$AWS_REGION" "$LOG_GROUP" "$CA_BASE64" "$AGENT_CONFIG" "$SHELL_ALLOWED" "$UNIT"

# To EC2, an instance whose set-up failed would stay healthy for ever. One that is powered off is replaced.
trap '[ $? -eq 0 ] || { echo "set-up failed: power off" >&2; systemctl poweroff; }' EXIT

# Without WorkerShell the SSM agent is off for good: then there are no sessions and no commands.
if [ "$SHELL_ALLOWED" != true ]; then
  systemctl disable --now amazon-ssm-agent
  systemctl mask amazon-ssm-agent
fi

# In a new stack the endpoints may not be ready yet: try for ten minutes.
patiently() {
  local attempt
  for attempt in $(seq 1 40); do
    "$@" && return 0
    echo "attempt $attempt failed: $1" >&2
    sleep 15
  done
  return 1
}

swapoff --all
patiently dnf install --assumeyes --quiet nodejs24 amazon-cloudwatch-agent logrotate

useradd --system --no-create-home --shell /sbin/nologin adjoin
install --directory --mode=0755 /opt/adjoin /etc/adjoin
# systemd opens the unit's log file before it makes LogsDirectory, and does not start the unit if that fails.
install --directory --mode=0750 --owner=adjoin --group=adjoin /var/log/adjoin
patiently aws s3 cp --only-show-errors --region "$AWS_REGION" "s3://$AGENT_BUCKET/$AGENT_KEY" /opt/adjoin/agent.mjs
# The hash comes from the template, not from the bucket, so that only the reviewed file can run.
echo "$AGENT_SHA256  /opt/adjoin/agent.mjs" | sha256sum --check --quiet
chmod 0644 /opt/adjoin/agent.mjs

base64 --decode <<<"$CA_BASE64" >/etc/adjoin/directory-ca.pem
printf '%s\n' "$AGENT_CONFIG" >/etc/adjoin/config.json
chmod 0644 /etc/adjoin/directory-ca.pem /etc/adjoin/config.json
printf '%s\n' "$UNIT" >/etc/systemd/system/adjoin.service

cat >/etc/logrotate.d/adjoin <<'ROTATE'
/var/log/adjoin/agent.log {
  size 50M
  rotate 3
  copytruncate
  missingok
}
ROTATE
cat >/opt/aws/amazon-cloudwatch-agent/etc/amazon-cloudwatch-agent.json <<DELIVERY
{
  "agent": { "region": "$AWS_REGION", "run_as_user": "root" },
  "logs": { "logs_collected": { "files": { "collect_list": [
    { "file_path": "/var/log/adjoin/agent.log", "log_group_name": "$LOG_GROUP", "log_stream_name": "{instance_id}" },
    { "file_path": "/var/log/cloud-init-output.log", "log_group_name": "$LOG_GROUP", "log_stream_name": "{instance_id}-setup" }
  ] } } }
}
DELIVERY

systemctl daemon-reload
systemctl enable --now amazon-cloudwatch-agent adjoin

# To systemd a service counts as started when its process exists, and it restarts one that ends for ever.
stays() {
  sleep 20
  systemctl is-active --quiet adjoin && [ "$(systemctl show --property=NRestarts --value adjoin)" = 0 ]
}
if ! stays; then
  echo 'the agent did not stay up; its last words:' >&2
  tail --lines=20 /var/log/adjoin/agent.log >&2 || true
  exit 1
fi
