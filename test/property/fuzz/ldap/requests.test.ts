import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import * as fc from 'fast-check';
import { openDirectory, type Directory } from '../../../../agent/directory/directory.ts';
import { AdjoinError } from '../../../../agent/errors.ts';
import { broken, fuzz, isRangeError, LIMIT_MS, textLike } from '../fuzz.ts';
import { all, text, type Element } from '../../../support/ber.ts';
import { selfSigned } from '../../../support/certificate.ts';
import { IdleClock } from './idle-clock.ts';
import { DOMAIN, INSTANCE, NAMES, Op, PLACE, PREFIXES, STAMP, UNIT, ZONE, type Request } from './model.ts';
import { ScriptedServer } from './server.ts';
import { silentLog } from '../../../support/memory-log.ts';

const signal = new AbortController().signal;
let folder = '';
let server: ScriptedServer;

beforeAll(async () => {
  const certificate = selfSigned();
  folder = await mkdtemp(join(tmpdir(), 'adjoin-fuzz-'));
  await writeFile(join(folder, 'ca.pem'), certificate.cert);
  server = await ScriptedServer.listen(certificate);
});
afterAll(async () => {
  await server.close();
  await rm(folder, { recursive: true });
});

/** What a person or another system may have written wrong, or on purpose. */
interface Given {
  readonly instanceId: string;
  readonly deployment: string;
  readonly domain: string;
  readonly organizationalUnit: string;
  readonly user: string;
  readonly foundName: string;
  readonly objectGuid: string;
}
const honest: Given = {
  instanceId: INSTANCE,
  deployment: PLACE.deployment,
  domain: DOMAIN,
  organizationalUnit: UNIT,
  user: 'svc',
  foundName: 'WEB1',
  objectGuid: '5a5a5a5a-5a5a-0000-0001-5a5a5a5a5a5a',
};
const keys = [
  'instanceId',
  'deployment',
  'domain',
  'organizationalUnit',
  'user',
  'foundName',
  'objectGuid',
] as const;

function open(given: Given, clock: IdleClock): Directory {
  return openDirectory({
    ...PLACE,
    deployment: given.deployment,
    caFile: join(folder, 'ca.pem'),
    controllers: [server.endpoint],
    namePrefixes: PREFIXES,
    credentials: {
      current: async () => ({
        versionId: 'v',
        domain: given.domain,
        user: given.user,
        password: 'Sesame77',
        organizationalUnit: given.organizationalUnit,
      }),
      refused: async () => undefined,
    },
    clock,
    randomBytes: (size) => Buffer.alloc(size, 1),
    connectTimeoutMs: 60_000,
    operationTimeoutMs: 60_000,
    log: silentLog,
  });
}

const operations = {
  stage: (directory: Directory, { instanceId }: Given) =>
    directory.stage(instanceId, 'one-time', {}, async () => undefined, signal),
  find: (directory: Directory, { instanceId }: Given) => directory.find(instanceId, signal),
  list: (directory: Directory) => directory.list(signal, (account) => account),
  inspect: (directory: Directory, { objectGuid }: Given) =>
    directory.inspect({ objectGuid, domainController: 'dc1.corp.example.test' }, signal),
  strays: (directory: Directory, { foundName }: Given) =>
    directory.strays([{ computerName: foundName, objectSids: [] }], signal),
  remove: (directory: Directory, { instanceId, foundName }: Given) =>
    directory.remove(
      instanceId,
      { names: [foundName], foundNames: [foundName] },
      async () => undefined,
      signal,
    ),
} as const;

/** A filter as kinds, attributes and values, each value as the one text that it is. */
function shape(filter: Element): { readonly kinds: string; readonly values: readonly string[] } {
  if (filter.tag === 0x87) return { kinds: 'present', values: [] };
  const parts = all(filter.content);
  if (filter.tag === 0xa3) return { kinds: `${text(parts[0])}=`, values: [text(parts[1])] };
  if (filter.tag === 0xa4) {
    return { kinds: `${text(parts[0])}=…*`, values: parts[1] ? all(parts[1].content).map(text) : [] };
  }
  const inside = parts.map(shape);
  return {
    kinds: `${filter.tag === 0xa0 ? '&' : '|'}(${inside.map(({ kinds }) => kinds).join(' ')})`,
    values: inside.flatMap(({ values }) => values),
  };
}

/** The filters that the agent has, whatever is written into them. */
const filters = [
  /^present$/,
  /^&\(objectCategory= \|\(userPrincipalName= sAMAccountName=\)\)$/,
  /^objectCategory=$/,
  /^&\(\|\(msDS-cloudExtensionAttribute1=( sAMAccountName=)+( objectGUID=)?\) objectClass=\)$/,
  /^&\(objectGUID= objectClass=\)$/,
  /^&\(\|\(sAMAccountName=( sAMAccountName=)*\) objectClass=\)$/,
  /^objectClass=$/,
  // The records that a domain set aside because two controllers made the same name.
  /^&\(objectClass= \|\(name=…\*( name=…\*)*\)\)$/,
];

/** Whether a request says what it should, with what was given as one value each. */
function isSound({ op, parts, bytes }: Request, given: Given): boolean {
  const [first, second] = parts;
  const labels = [...NAMES, given.foundName].map((name) => name.toLowerCase());
  const isOwn = (dn: string): boolean =>
    /^<GUID=[0-9a-f-]{36}>$/.test(dn) ||
    labels.some((label) => /^[a-z0-9-]+$/.test(label) && dn === `DC=${label},${ZONE}`);
  switch (op) {
    case Op.bind:
      return text(second) === given.user || text(second) === `${given.user}@${given.domain}`;
    case Op.search: {
      const base = text(first);
      const zone = `,DC=${given.domain.toLowerCase()},CN=MicrosoftDNS,`;
      const isBase =
        ['', given.organizationalUnit, UNIT, 'DC=corp,DC=example,DC=test'].includes(base) ||
        NAMES.some((name) => base === `CN=${name},${UNIT}`) ||
        base.startsWith(zone.slice(1)) ||
        labels.some((label) => base.startsWith(`DC=${label}${zone}`));
      const { kinds, values } = parts[6] ? shape(parts[6]) : { kinds: '', values: [] };
      const stamp = STAMP.replace('deployment=blue', `deployment=${given.deployment}`);
      const account = [given.user, given.user.replace(/^.*\\/s, '').replace(/@.*$/s, '')];
      const known = ['computer', 'person', 'dnsNode', stamp, ...account, ...labels];
      const isKnown = (value: string): boolean =>
        known.includes(value) ||
        labels.includes(value.toLowerCase().replace(/\$$/, '')) ||
        (kinds.includes('name=') && labels.some((label) => value === `${label}\nCNF:`)) ||
        kinds.includes('objectGUID=');
      return isBase && filters.some((form) => form.test(kinds)) && values.every(isKnown);
    }
    case Op.add:
      return NAMES.some((name) => text(first) === `CN=${name},${UNIT}`);
    case Op.modify:
      return isOwn(text(first));
    case Op.remove:
      return isOwn(bytes.toString());
    default:
      return false;
  }
}

const cases = fc.constantFrom(...keys).chain((key) =>
  fc
    .tuple(
      // UTF-8 has no lone surrogates: a replacement character goes out, and is all that could be compared.
      textLike(honest[key]).map((value) => value.toWellFormed()),
      fc.constantFrom(...(['stage', 'find', 'list', 'inspect', 'strays', 'remove'] as const)),
    )
    .map(([value, operation]) => ({ key, given: { ...honest, [key]: value }, operation })),
);

describe('whatever is written into a secret, a configuration, a message or the ledger', () => {
  test(
    'goes into a request as one value, or no request is made',
    async () => {
      const refused = new Set<string>();
      const sent = new Set<string>();
      const played = await fuzz('texts in requests', cases, async ({ key, given, operation }) => {
        const clock = new IdleClock();
        server.begin(undefined);
        server.model.own();
        const see = (work: Promise<unknown>): Promise<number> =>
          clock.see(
            work,
            () => server.activity,
            () => false,
          );
        const directory = open(given, clock);
        let error: unknown;
        await see(
          operations[operation](directory, given).catch((reason: unknown) => {
            error = reason;
          }),
        );
        await see(directory.close());
        const story = { key, value: given[key], operation, error: String(error) };
        // A RangeError is a value of our own making that is not what it should be: it is refused where it is written.
        if (error !== undefined && !(error instanceof AdjoinError || isRangeError(error)))
          throw broken('It broke something', story);
        for (const request of server.requests) {
          if (!isSound(request, given))
            throw broken('It came out as something else', {
              ...story,
              request: request.bytes.toString('latin1'),
            });
        }
        if (
          key === 'instanceId' &&
          given.instanceId !== INSTANCE &&
          // These are given none.
          !['list', 'inspect', 'strays'].includes(operation) &&
          server.requests.length > 0
        ) {
          throw broken('A request was made for what is no instance', story);
        }
        // Another deployment has another stamp, and accounts of its own.
        if (key !== 'deployment' && server.model.trespasses.length > 0)
          throw broken('It touched what is not its own', { ...story, did: server.model.trespasses });
        (error === undefined ? sent : refused).add(key);
      });
      expect(played).toBe(true);
      expect([...refused]).toEqual(
        expect.arrayContaining(['instanceId', 'deployment', 'domain', 'organizationalUnit']),
      );
      expect([...sent]).toEqual(expect.arrayContaining(['foundName', 'user']));
    },
    LIMIT_MS,
  );
});
