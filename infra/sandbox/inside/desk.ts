/**
 * The place of an operator: a machine outside the account, with the AWS CLI and a terminal. It finds AWS by its own names, by
 * TLS, as a stranger's does: what people are told to type runs there as it stands.
 */
import type { ChildProcessWithoutNullStreams } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:https';
import { must } from '../domain/controller.ts';
import { nameOf } from '../cloud/names.ts';
import { type Machine, startMachine } from '../machine/machine.ts';
import { network } from '../machine/network.ts';
import type { ClientConfig } from '../stack/client-config.ts';
import type { EmptySandbox } from './sandbox.ts';

export interface DeskOptions {
  readonly image: string;
  /** What lies over the image: the AWS CLI and jq. Default: nothing. */
  readonly layer?: string;
  readonly sandbox: EmptySandbox;
  /** As whom the person calls. */
  readonly caller: ClientConfig;
  /** Names of buckets, which are names of hosts as well. */
  readonly buckets: readonly string[];
  /** Directories that can be read there. */
  readonly shares: readonly string[];
}

export interface Desk {
  readonly machine: Machine;
  /** The shell, on a terminal, in `/root/adjoin`. */
  readonly shell: ChildProcessWithoutNullStreams;
  /** @param mode octal */
  put(path: string, text: string, mode?: string): Promise<void>;
  close(): Promise<void>;
}

/** Beyond the addresses that the machines of a test's group get. */
const address = '10.77.255.10';
const services = [
  'autoscaling',
  'cloudformation',
  'dynamodb',
  'ec2',
  'logs',
  's3',
  'secretsmanager',
  'sqs',
  'ssm',
  'sts',
];

/** What a shell says when it waits: for the next command, with the exit code of the last one; for the rest of one. */
const prompt = '<<$?>>';
const morePrompt = '<<more>>';

const certificateFile = '/root/ca-bundle.pem';
/** A key and a certificate for the names below that of the Region, and for buckets. */
const makeCertificate = `
cd "$(mktemp -d)"
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -sha256 -days 30 -subj '/CN=adjoin sandbox AWS' \\
  -addext "subjectAltName=DNS:*.$1.amazonaws.com,DNS:*.s3.$1.amazonaws.com" -keyout key.pem -out cert.pem 2>/dev/null
cp cert.pem ${certificateFile}
cat key.pem cert.pem`;

export async function openDesk(options: DeskOptions): Promise<Desk> {
  const { sandbox, caller } = options;
  const { region, credentials } = caller;
  const machine = await startMachine({
    image: options.image,
    ...(options.layer !== undefined && { layer: options.layer }),
    runtime: sandbox.runtime,
    name: 'desk',
    address,
    hostName: 'desk',
    nameServers: sandbox.domain.nameServers,
    searchDomain: sandbox.domain.domainName,
    shares: options.shares,
  });
  const pem = await must(machine, ['sh', '-c', makeCertificate, 'certificate', region]);
  const begin = pem.indexOf('-----BEGIN CERTIFICATE-----');
  const server = createServer({ key: pem.slice(0, begin), cert: pem.slice(begin) }, (request, response) =>
    sandbox.cloud.handler(request, response),
  );
  server.listen(443, network.gateway);
  await once(server, 'listening');

  const put = async (path: string, text: string, mode = '644'): Promise<void> => {
    const write = 'mkdir -p "${1%/*}" && cat >"$1" && chmod "$2" "$1"';
    await must(machine, ['sh', '-c', write, 'put', path, mode], { input: text });
  };
  const names = [
    ...services.map((service) => nameOf(service, region)),
    ...options.buckets.map((bucket) => `${bucket}.${nameOf('s3', region)}`),
  ];
  await put(
    '/etc/hosts',
    `127.0.0.1 localhost\n${names.map((name) => `${network.gateway} ${name}\n`).join('')}`,
  );
  const lines = [
    '[default]',
    `aws_access_key_id = ${credentials.accessKeyId}`,
    `aws_secret_access_key = ${credentials.secretAccessKey}`,
    ...(credentials.sessionToken === undefined ? [] : [`aws_session_token = ${credentials.sessionToken}`]),
  ];
  await put('/root/.aws/credentials', `${lines.join('\n')}\n`, '600');
  // A terminal needs its devices.
  await must(machine, [
    'sh',
    '-c',
    'mkdir -p /root/adjoin /dev/pts && mount -t devpts -o newinstance,ptmxmode=0666 devpts /dev/pts && ln -sf pts/ptmx /dev/ptmx',
  ]);
  const shell = machine.spawn([
    'env',
    '--chdir=/root/adjoin',
    'HOME=/root',
    'TERM=dumb',
    'COLUMNS=200',
    `AWS_CA_BUNDLE=${certificateFile}`,
    `NODE_EXTRA_CA_CERTS=${certificateFile}`,
    // As without a pager.
    'AWS_PAGER=',
    `PS1=${prompt}`,
    `PS2=${morePrompt}`,
    'script',
    '--quiet',
    '--flush',
    '--command',
    'bash --norc --noprofile --noediting -i',
    '/dev/null',
  ]);
  return {
    machine,
    shell,
    put,
    async close() {
      shell.kill('SIGKILL');
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
      await machine.destroy();
    },
  };
}
