/** What a person can do with a running sandbox, as commands that can be pasted into another terminal. */
import type { State } from './state.ts';

/** Age guard of the sweep in a sandbox that a person drives: an hour is too long for a demonstration. */
export const personAgeGuardSeconds = 10;

const read = (path: string): string => `"$(state ${path})"`;

/** How a person enters the running sandbox. */
export interface Inside {
  /** One of its processes, as the host numbers it. */
  readonly hostPid: number;
  /** File with the first worker's environment, in the clone. */
  readonly environmentFile: string;
  /** The agent's configuration file, in the clone. */
  readonly configFile: string;
  /** Whether the person came by sudo: entering takes root as well. */
  readonly sudo: boolean;
}

/** To be pasted in the clone's directory. Secrets are read from files, not printed. */
export function commandsToTry(state: State, inside: Inside): string[] {
  const { hostPid, environmentFile, configFile, sudo } = inside;
  const { autoScalingGroup: group, queueUrl, deadLetterQueueUrl, table, secretId, directory } = state;
  return [
    'In another terminal, in this directory, with bash (the AWS CLI; ldapsearch is in ldap-utils):',
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
    "aws ssm send-command --document-name AWS-RunShellScript --parameters 'commands=adcli testjoin' --instance-ids $ID",
    'aws ssm list-command-invocations --details --max-items 1',
    '',
    '# no policy binds you; others are bound: the credential is for the worker alone, through the endpoint of the VPC',
    'as developer aws sts get-caller-identity',
    `as developer aws secretsmanager get-secret-value --secret-id ${secretId}  # denied`,
    `as worker aws secretsmanager get-secret-value --secret-id ${secretId}  # denied as well`,
    `as worker vpc secretsmanager get-secret-value --secret-id ${secretId}`,
    '',
    '# replace an instance through its hooks: its account is removed before it is gone',
    'aws autoscaling terminate-instance-in-auto-scaling-group --instance-id $ID \\',
    '  --no-should-decrement-desired-capacity',
    '',
    '# end another one without its hooks: its account stays, as an orphan',
    'OTHER=$(aws autoscaling describe-auto-scaling-instances --output text \\',
    "  --query \"AutoScalingInstances[?InstanceId!='$ID' && LifecycleState=='InService'] | [0].InstanceId\")",
    'aws ec2 terminate-instances --instance-ids $OTHER',
    '',
    '# as the worker, inside, which takes root: what a sweep would remove. That is the orphan, once EC2 says that its',
    `# instance is gone and it is ${personAgeGuardSeconds} s old`,
    `inside() { ${sudo ? 'sudo ' : ''}nsenter --target ${hostPid} --mount --net --pid --wd="$PWD" \\`,
    `  bash -c 'set -a; . ./${environmentFile}; exec "$@"' inside "$@"; }`,
    `inside node_modules/.bin/node agent/main.ts sweep --dry-run --config ${configFile}`,
    '',
    '# what no worker can read ends here, within half a minute',
    `aws sqs send-message --queue-url ${queueUrl} --message-body nonsense`,
    `dead_letters() { AWS_REGION=${state.region} AWS_ENDPOINT_URL=${state.endpoint} \\`,
    `  node_modules/.bin/node agent/main.ts dead-letters "$@" --config ${configFile} \\`,
    `  --queue ${deadLetterQueueUrl}; }`,
    'dead_letters list',
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

/** How a person starts the agent inside the sandbox, with the commands above. */
export function agentCommand(program: readonly string[]): string[] {
  return ['The agent is yours to start, as root:', '', `inside ${program.join(' ')}`];
}
