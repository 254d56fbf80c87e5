#!/bin/bash
# Makes an Amazon Linux 2023 instance a worker, at its first boot. Everything comes through the S3 gateway endpoint: packages
# from the distribution's own repositories, the agent from its bucket. The lines before this file assign the variables.
# The stack waits until one worker reports that it works, or fails with what this script says.
set -euo pipefail

# shellcheck disable=SC2154 # AGENT_BUCKET and the others are assigned before this file
: "$AGENT_BUCKET" "$AGENT_KEY" "$AGENT_SHA256" "$AWS_REGION" "$URL_SUFFIX" "$SECRETS_MANAGER_URL" "$LOG_GROUP" \
  "$CA_BASE64" "$AGENT_CONFIG" "$SHELL_ALLOWED" "$SIGNAL_URL" "$UNIT"

step='the set-up began'
# Tells the stack, at an address of S3 that takes one answer of each worker and expires; later workers are only logged.
signal() {
  local reason
  reason=$(printf '%s' "$2" | tr -d '\000-\037"\\' | cut -c1-900)
  printf '{"Status":"%s","Reason":"%s","UniqueId":"%s","Data":"-"}' "$1" "$reason" "$HOSTNAME" |
    curl --silent --show-error --max-time 20 --request PUT --header 'Content-Type:' --data-binary @- "$SIGNAL_URL" || true
}
# To EC2, an instance whose set-up failed would stay healthy for ever. One that is powered off is replaced.
ended() {
  [ "$1" -eq 0 ] && return
  echo "set-up failed: $step: power off" >&2
  signal FAILURE "worker $HOSTNAME: $step failed" >&2
  systemctl poweroff
}
trap 'ended $?' EXIT

# Without WorkerShell the SSM agent is off for good: then there are no sessions and no commands. An image of one's own may have none,
# or the one of AWS's download, whose unit is in /etc: systemd masks no unit that is there.
if [ "$SHELL_ALLOWED" != true ]; then
  step='switching the SSM agent off'
  systemctl disable --now amazon-ssm-agent || true
  rm -f /etc/systemd/system/amazon-ssm-agent.service
  systemctl mask amazon-ssm-agent
  if systemctl is-active --quiet amazon-ssm-agent; then exit 1; fi
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

# A worker that can't find or reach an endpoint would wait in silence: all are tried, and each that fails is named.
reach() {
  local name failed='' service
  for service in autoscaling dynamodb ec2 logs s3 sqs ssm; do
    curl --silent --show-error --max-time 10 --output /dev/null "https://$service.$AWS_REGION.$URL_SUFFIX/" || failed="$failed $service"
  done
  name=${SECRETS_MANAGER_URL:-https://secretsmanager.$AWS_REGION.$URL_SUFFIX}
  curl --silent --show-error --max-time 10 --output /dev/null "$name/" || failed="$failed secretsmanager"
  [ -z "$failed" ] && return
  step="reaching the VPC endpoints (name resolution, port 443, TLS) of$failed"
  return 1
}
patiently reach

step='installing packages'
swapoff --all
patiently dnf install --assumeyes --quiet nodejs24 amazon-cloudwatch-agent logrotate

useradd --system --no-create-home --shell /sbin/nologin adjoin
install --directory --mode=0755 /opt/adjoin /etc/adjoin
# systemd opens the unit's log file before it makes LogsDirectory, and does not start the unit if that fails.
install --directory --mode=0750 --owner=adjoin --group=adjoin /var/log/adjoin
agent=/opt/adjoin/agent.mjs
file="s3://$AGENT_BUCKET/$AGENT_KEY"
# The hash comes from the template, not from the bucket, so that only the reviewed file can run.
reviewed() { echo "$AGENT_SHA256  $agent" | sha256sum --check --quiet; }
# Of a file that was deleted or overwritten, a bucket that keeps versions still has the one with that hash.
earlier() {
  local of="--region $AWS_REGION --bucket $AGENT_BUCKET" version
  # shellcheck disable=SC2086 # two options without a space in their values
  for version in $(aws s3api list-object-versions $of --prefix "$AGENT_KEY" --query 'Versions[].VersionId' --output text); do
    if aws s3api get-object $of --key "$AGENT_KEY" --version-id "$version" $agent && reviewed; then
      echo "$file is not the template's: took its version $version" >&2
      return
    fi
  done
  return 1
}
fetch() { aws s3 cp --only-show-errors --region "$AWS_REGION" "$file" $agent || earlier; }
step="fetching $file"
patiently fetch
step="comparing the hash of $file with the template's"
reviewed || earlier
chmod 0644 $agent

step='writing the configuration'
base64 --decode <<<"$CA_BASE64" >/etc/adjoin/directory-ca.pem
printf '%s\n' "$AGENT_CONFIG" >/etc/adjoin/config.json
chmod 0644 /etc/adjoin/directory-ca.pem /etc/adjoin/config.json
if [ -n "$SECRETS_MANAGER_URL" ]; then
  printf 'AWS_ENDPOINT_URL_SECRETS_MANAGER=%s\n' "$SECRETS_MANAGER_URL" >/etc/adjoin/environment
fi
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

step='starting the agent'
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
  step="starting the agent, whose last words are: $(tail --lines=2 /var/log/adjoin/agent.log || true):"
  exit 1
fi
echo 'set-up done: the agent is started, and stays up'
signal SUCCESS 'a worker works'
