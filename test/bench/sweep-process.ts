/** One sweep, as the worker makes it, of a deployment of so many accounts. Prints what it cost. */
import { AutoScalingClient } from '@aws-sdk/client-auto-scaling';
import { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { EC2Client } from '@aws-sdk/client-ec2';
import { createInstances } from '../../agent/aws/instances.ts';
import { createMembershipTable, scanMemberships } from '../../agent/aws/membership-table.ts';
import { systemClock } from '../../agent/clock.ts';
import { findOwned } from '../../agent/directory/accounts.ts';
import { Row } from '../../agent/directory/entries.ts';
import { formatStamp, STAMP_ATTRIBUTE } from '../../agent/directory/stamp.ts';
import { guidToBytes, sidToBytes } from '../../agent/directory/values.ts';
import { createLedger } from '../../agent/ledger/ledger.ts';
import { sweep } from '../../agent/sweep/sweep.ts';
import { descriptorOf, DOMAIN_SID, SERVICE_ACCOUNT } from '../support/security.ts';
import { silentLog } from '../support/memory-log.ts';
import { peakBytes } from './peak.ts';
import { guidOf, idOf, nameOf, OWNER_ID, type SweepCost } from './sweep-names.ts';

const [endpoint = '', accounts = '0'] = process.argv.slice(2);
const PLACE = { deployment: 'bench', accountId: OWNER_ID, region: 'eu-central-1' };
const UNIT = 'OU=Fleet,DC=corp,DC=example,DC=test';
/** Entries a page, as the connection asks for them. */
const PAGE = 500;

const client = {
  endpoint,
  region: PLACE.region,
  credentials: { accessKeyId: 'AKIAEXAMPLE', secretAccessKey: 'example' },
};
const dynamodb = new DynamoDBClient(client);
let directoryPages = 0;
let strayLooks = 0;

function entryOf(index: number): Row {
  return new Row({
    dn: `CN=${nameOf(index)},${UNIT}`,
    objectClass: ['top', 'person', 'organizationalPerson', 'user', 'computer'],
    objectSid: sidToBytes(`${DOMAIN_SID}-${10_000 + index}`),
    nTSecurityDescriptor: descriptorOf(SERVICE_ACCOUNT),
    objectGUID: guidToBytes(guidOf(index)),
    sAMAccountName: `${nameOf(index)}$`,
    whenCreated: '20260101000000.0Z',
    [STAMP_ATTRIBUTE]: formatStamp({ ...PLACE, instanceId: idOf(index) }),
  });
}

async function* pagesOfAccounts(): AsyncGenerator<Row[], void, undefined> {
  for (let from = 0; from < Number(accounts); from += PAGE) {
    directoryPages += 1;
    const length = Math.min(PAGE, Number(accounts) - from);
    yield Array.from({ length }, (_, at) => entryOf(from + at));
  }
}

const clock = systemClock;
const ledger = createLedger({
  table: createMembershipTable(dynamodb, 'ledger'),
  clock,
  nextOwner: () => 'bench/1',
  leaseMs: 96_000,
});
const unexpected = (): Promise<never> => Promise.reject(new TypeError('There is nothing to remove.'));

const began = performance.now();
const report = await sweep(
  {
    directory: {
      list: (signal, of) =>
        findOwned(
          {
            organizationalUnit: UNIT,
            serviceAccount: SERVICE_ACCOUNT,
            connection: {
              pages: pagesOfAccounts,
              controller: 'dc1.corp.example.test',
              close: () => undefined,
            },
          },
          PLACE,
          of,
          signal,
        ),
      async strays() {
        strayLooks += 1;
        return [];
      },
      find: unexpected,
      locate: unexpected,
      remove: unexpected,
      setEnabled: unexpected,
    },
    instances: createInstances({
      ec2: new EC2Client(client),
      autoScaling: new AutoScalingClient(client),
      accountId: OWNER_ID,
      region: PLACE.region,
    }),
    isInAutoScaling: unexpected,
    ledger: {
      pages: (endedSince, signal) => scanMemberships(dynamodb, 'ledger', endedSince, signal),
      find: (instanceId) => ledger.find(instanceId),
      claim: (instanceId, first) => ledger.claim(instanceId, first),
    },
    clock,
    log: silentLog,
  },
  {
    dryRun: false,
    ageGuardMs: 3_600_000,
    maximumRemovals: 100,
    quarantineMs: 0,
    largestLoss: 0.5,
    operationMs: 15_000,
  },
  new AbortController().signal,
);
const cost: SweepCost = {
  ms: performance.now() - began,
  peakBytes: peakBytes(),
  accounts: report.accounts,
  memberships: report.memberships,
  errors: report.errors.length,
  findings: report.findings.length,
  directoryPages,
  strayLooks,
};
console.log(JSON.stringify(cost));
