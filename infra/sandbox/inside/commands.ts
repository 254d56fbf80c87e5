/** What a person can do with a running sandbox, as commands that can be pasted into another terminal. */
import type { State } from './state.ts';

const read = (path: string): string => `"$(state ${path})"`;

/** To be pasted in the clone's directory. Secrets are read from the state file, not printed. */
export function commandsToTry(state: State): string[] {
  const { autoScalingGroup: group, queueUrl, table, secretId, directory } = state;
  return [
    'In another terminal, in this directory (the AWS CLI; ldapsearch is in ldap-utils):',
    '',
    `state() { node -p "require('./.sandbox/state.json').$1"; }`,
    // A function, since the CLI sends SQS calls elsewhere when the endpoint is only in the environment.
    `aws() { command aws --endpoint-url ${state.endpoint} --region ${state.region} "$@"; }`,
    `vpc() { command aws --endpoint-url ${state.vpcEndpoint} --region ${state.region} "$@"; }`,
    'as() { AWS_ACCESS_KEY_ID=$(state credentials.$1.accessKeyId) \\',
    '  AWS_SECRET_ACCESS_KEY=$(state credentials.$1.secretAccessKey) \\',
    '  AWS_SESSION_TOKEN=$(state "credentials.$1.sessionToken??\'\'") "${@:2}"; }',
    `export AWS_ACCESS_KEY_ID=${read('credentials.operator.accessKeyId')}`,
    `export AWS_SECRET_ACCESS_KEY=${read('credentials.operator.secretAccessKey')}`,
    '',
    '# scale out, and look',
    `aws autoscaling set-desired-capacity --auto-scaling-group-name ${group} --desired-capacity 3`,
    'aws autoscaling describe-auto-scaling-instances --output table',
    `aws dynamodb scan --table-name ${table} --output table`,
    `LDAPTLS_CACERT=${directory.caFile} ldapsearch -LLL -x -H ${directory.url} \\`,
    `  -D ${directory.auditUser} -w ${read('directory.auditPassword')} \\`,
    `  -b ${directory.organizationalUnit} '(objectClass=computer)' sAMAccountName pwdLastSet`,
    '',
    '# ask an instance what it is',
    'ID=$(aws autoscaling describe-auto-scaling-instances --output text \\',
    "  --query 'AutoScalingInstances[0].InstanceId')",
    "aws ssm send-command --document-name AWS-RunShellScript --parameters 'commands=realm list' --instance-ids $ID",
    'aws ssm list-command-invocations --details --max-items 1',
    '',
    '# no policy binds you; others are bound: the credential is for the worker alone, through the endpoint of the VPC',
    `as developer aws secretsmanager get-secret-value --secret-id ${secretId}  # denied`,
    `as worker aws secretsmanager get-secret-value --secret-id ${secretId}  # denied as well`,
    `as worker vpc secretsmanager get-secret-value --secret-id ${secretId}`,
    '',
    '# replace an instance through its hooks, or behind their back',
    'aws autoscaling terminate-instance-in-auto-scaling-group --instance-id $ID \\',
    '  --no-should-decrement-desired-capacity',
    'aws ec2 terminate-instances --instance-ids $ID',
    '',
    '# give the service account a wrong password, and watch .sandbox/agent.log',
    `aws secretsmanager put-secret-value --secret-id ${secretId} --secret-string \\`,
    `  '{"domain_name":"${directory.domain}","domain_user":"svc-adjoin","domain_password":"wrong","directory_ou":"${directory.organizationalUnit}"}'`,
    `aws sqs get-queue-attributes --queue-url ${queueUrl} --attribute-names All`,
    '',
    '# scale in',
    `aws autoscaling set-desired-capacity --auto-scaling-group-name ${group} --desired-capacity 0`,
  ];
}

/** How a person starts the agent inside the sandbox. */
export function agentCommand(hostPid: number, environmentFile: string, program: readonly string[]): string[] {
  return [
    'The agent is yours to start, here as root:',
    '',
    `set -a; . ${environmentFile}; set +a`,
    `nsenter --target ${hostPid} --mount --net --pid --wd="$PWD" ${program.join(' ')}`,
  ];
}
