/** The stories besides the usual one: instances outside groups, and groups that adjoin is attached to for one of both only. */
import type { Clock } from '../clock.ts';
import { runProcess, systemPath } from '../machine/process.ts';
import { type Baseline, linuxChecks, proveAbsence, proveMembers } from '../story/checks.ts';
import { absence, type Proof, proofOf } from '../story/proof.ts';
import type { Part, Plot, Subject } from '../story/story.ts';
import type { Watched } from '../story/watch.ts';
import { machineChecksOf } from './machine-checks.ts';
import { joinAsOthers, letOthersJoin } from './others.ts';
import type { Sandbox, SandboxOptions } from './sandbox.ts';
import { standalone } from './standalone.ts';

export type Story = 'standalone' | 'unjoin-only' | 'join-only';

/** How a sandbox is set up for the story. */
export const settings: Readonly<
  Record<Story, Pick<SandboxOptions, 'attach' | 'agentConfig' | 'standaloneInstances'>>
> = {
  standalone: { standaloneInstances: true },
  'unjoin-only': { attach: { Join: 'false' } },
  // The sweep would find the accounts; here it is called by hand, and does not wait for the hour that protects new accounts.
  'join-only': {
    attach: { Unjoin: 'false' },
    agentConfig: { sweep: { enabled: false, ageGuardSeconds: 1 } },
  },
};

/** A sweep of some accounts takes seconds. */
const sweepLimitMs = 120_000;
const memberLimitMs = 30_000;

/** What happens in the story, and who is asked in it. */
export function storyOf(
  story: Story,
  sandbox: Sandbox,
  subject: Subject,
  size: number,
  clock: Clock,
): { readonly subject: Subject; readonly plot: Plot } {
  if (story === 'standalone') return standalone(sandbox, subject, size, clock);
  const plot =
    story === 'unjoin-only' ? unjoinOnly(sandbox, subject, size) : joinOnly(sandbox, subject, size, clock);
  return { subject, plot };
}

/** As Windows images name themselves. */
const nameOf = (index: number): string => `EC2AMAZ-${index + 1}`;

/** Others join the instances once they are in service, and adjoin removes their accounts when the instances end. */
function unjoinOnly(sandbox: Sandbox, subject: Subject, size: number): Plot {
  const { domain, fleet } = sandbox;
  const { witnesses, expected } = subject;
  const bystander = 'BYSTANDER';
  const systemOf = (instanceId: string) => fleet.systemOf(instanceId);

  const join = async (): Promise<void> => {
    await letOthersJoin(domain);
    const living = [...(await witnesses.lifecycleStates()).keys()];
    for (const [index, instanceId] of living.entries()) {
      const machine = fleet.machine(instanceId);
      if (!machine) throw new Error(`${instanceId}: there is no such machine`);
      await joinAsOthers(domain, machine, systemOf(instanceId), nameOf(index));
    }
    await domain.controller.exec(['samba-tool', 'computer', 'create', bystander]);
  };
  const proveJoined = async (living: readonly string[], known: Baseline): Promise<Proof[]> => {
    const computers = await witnesses.auditor.computers();
    const failures = living.flatMap((_, index) => {
      const account = computers.find(({ computerName }) => computerName === nameOf(index));
      if (!account) return [`${nameOf(index)} has no account`];
      return account.stamp === '' ? [] : [`${nameOf(index)} carries a stamp`];
    });
    const strangers = computers.filter(({ computerName }) => !known.computers.has(computerName)).length;
    const unjoined: string[] = [];
    for (const instanceId of living) {
      const { member } =
        machineChecksOf(systemOf(instanceId), domain.domainName, false) ?? linuxChecks(domain.domainName);
      const { code } = await witnesses.onMachine(instanceId, member.argv, memberLimitMs);
      if (code !== 0) unjoined.push(`${instanceId}: ${member.claim}: exit code ${code}`);
    }
    return [
      proofOf('directory: an account each, that others have made, without a stamp', living.length, failures),
      proofOf('machines: each is a member', living.length, unjoined),
      proofOf(
        'directory: and one account more, which is nobody’s here',
        1,
        strangers === living.length + 1 ? [] : [`${strangers} accounts`],
      ),
    ];
  };

  return (known) => [
    {
      title: `scale out to ${size}`,
      size,
      act: () => subject.setDesiredCapacity(size),
      prove: async (living, seen) => [inService(size, living), untouched('launch', seen)],
    },
    { title: 'others join the instances', size, act: join, prove: (living) => proveJoined(living, known) },
    {
      title: 'scale in to 0',
      size: 0,
      act: () => subject.setDesiredCapacity(0),
      async prove(living, seen) {
        const unmatched = seen.flatMap(({ instanceId, membership }) =>
          membership?.state === 'removed' && membership.objectGuid !== undefined
            ? []
            : [
                `${instanceId} is ${membership?.state}: ${membership?.lastError?.message ?? 'no account in the ledger'}`,
              ],
        );
        const names = (await witnesses.auditor.computers()).map(({ computerName }) => computerName);
        const others = { ...known, computers: new Set([...known.computers, bystander]) };
        return [
          proofOf('ledger: each node proved its account with the account’s own key', size, unmatched),
          ...(await proveAbsence(living, witnesses, expected, others)),
          proofOf(
            'directory: the account that is nobody’s here is still there',
            1,
            names.includes(bystander) ? [] : ['it is gone'],
          ),
        ];
      },
    },
  ];
}

/** adjoin joins the instances; what becomes of their accounts is for others, or for the sweep. */
function joinOnly(sandbox: Sandbox, subject: Subject, size: number, clock: Clock): Plot {
  const { witnesses, expected } = subject;
  let swept: number | null = null;
  return (known): Part[] => [
    {
      title: `scale out to ${size}`,
      size,
      act: () => subject.setDesiredCapacity(size),
      prove: (_living, _seen, signal) => proveMembers(size, witnesses, expected, known, clock, signal),
    },
    {
      title: 'scale in to 0',
      size: 0,
      act: () => subject.setDesiredCapacity(0),
      async prove(_, seen) {
        const stamps = new Set((await witnesses.auditor.computers()).map(({ stamp }) => stamp));
        const gone = seen.filter(({ instanceId }) => !stamps.has(expected.stampOf(instanceId)));
        return [
          untouched('terminate', seen),
          proofOf(
            'directory: the accounts stay, as nothing was asked for',
            seen.length,
            gone.map(({ instanceId }) => `${instanceId}: its account is gone`),
          ),
          absence('namespaces, mounts, processes of terminated instances', await witnesses.leftovers([])),
        ];
      },
    },
    {
      title: 'a sweep by hand',
      size: 0,
      async act() {
        const [node, file, ...rest] = sandbox.agentCommand;
        const { code } = await runProcess([node, file ?? '', 'sweep', ...rest], {
          env: { PATH: systemPath, ...sandbox.agentEnvironment },
          timeoutMs: sweepLimitMs,
        });
        swept = code;
      },
      prove: async () => [
        proofOf('adjoin sweep ends with 0', 1, swept === 0 ? [] : [`it ended with ${swept}`]),
        ...(await proveAbsence([], witnesses, expected, known)),
      ],
    },
  ];
}

const inService = (size: number, living: readonly string[]): Proof =>
  proofOf(
    'Auto Scaling: InService',
    size,
    living.length === size ? [] : [`it lists ${living.length} instances`],
  );

/** No instance waited for adjoin at this end of its life. */
function untouched(action: 'launch' | 'terminate', seen: readonly Watched[]): Proof {
  const had = seen.filter(({ membership }) => membership?.[action] !== undefined);
  return proofOf(
    `ledger: no instance waited for adjoin at its ${action === 'launch' ? 'launch' : 'end'}`,
    seen.length,
    had.map(({ instanceId }) => `${instanceId} did`),
  );
}
