/**
 * How an update replaces the instances of a group that were launched with another template: `AutoScalingRollingUpdate`.
 *
 *   processes suspended ──▶ size set, so that enough stay in service ──▶ batch terminated ──▶ replaced ──▶ pause
 *        ▲                                                                     ▲ there are more └───────────┘
 *        └── resumed, and the size as it was, after the last one
 *
 * Source: UpdatePolicy attribute, AWS CloudFormation Template Reference,
 * https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-attribute-updatepolicy.html
 */
import {
  type AutoScalingClient,
  type AutoScalingGroup,
  DescribeAutoScalingGroupsCommand,
  ResumeProcessesCommand,
  SuspendProcessesCommand,
  TerminateInstanceInAutoScalingGroupCommand,
  UpdateAutoScalingGroupCommand,
} from '@aws-sdk/client-auto-scaling';
import { isList, isMap, scalar, TemplateError, type JsonMap } from './template.ts';

export interface RollingUpdate {
  readonly batch: number;
  readonly leastInService: number;
  /** As the template writes it, such as `PT5M`. */
  readonly pauseTime: string;
  readonly suspended: readonly string[];
}

const applied = new Set(['MaxBatchSize', 'MinInstancesInService', 'PauseTime', 'SuspendProcesses']);
/** Signals that are not waited for are none at all. */
const harmless: Readonly<Record<string, string>> = { WaitOnResourceSignals: 'false' };

/** Undefined where the template has none. @throws TemplateError for what is not emulated */
export function rollingUpdateOf(policy: JsonMap | undefined): RollingUpdate | undefined {
  if (policy === undefined) return undefined;
  const stranger = Object.keys(policy).find((key) => key !== 'AutoScalingRollingUpdate');
  if (stranger !== undefined) throw new TemplateError(`The update policy ${stranger} is not emulated.`);
  const given = policy['AutoScalingRollingUpdate'];
  if (!isMap(given)) throw new TemplateError('AutoScalingRollingUpdate must be a map.');
  for (const [key, value] of Object.entries(given))
    if (!applied.has(key) && harmless[key] !== scalar(value, key))
      throw new TemplateError(`${key} of a rolling update is not emulated.`);
  const processes = given['SuspendProcesses'] ?? [];
  if (!isList(processes)) throw new TemplateError('SuspendProcesses must be a list.');
  const number = (key: string, otherwise: number) =>
    given[key] === undefined ? otherwise : Number(scalar(given[key], key));
  const pauseTime = given['PauseTime'] === undefined ? 'PT0S' : scalar(given['PauseTime'], 'PauseTime');
  pauseMs(pauseTime);
  return {
    batch: number('MaxBatchSize', 1),
    leastInService: number('MinInstancesInService', 0),
    pauseTime,
    suspended: processes.map((each) => scalar(each, 'SuspendProcesses')),
  };
}

/** `PT1H30M5S` in milliseconds. @throws TemplateError */
function pauseMs(text: string): number {
  const [whole, hours = 0, minutes = 0, seconds = 0] =
    /^PT(?:(\d+)H)?(?:(\d+)M)?(?:(\d+)S)?$/.exec(text) ?? [];
  if (whole === undefined) throw new TemplateError(`${text} is no PauseTime such as PT5M.`);
  return ((Number(hours) * 60 + Number(minutes)) * 60 + Number(seconds)) * 1_000;
}

export interface Roller {
  readonly autoScaling: AutoScalingClient;
  readonly pause: (ms: number) => Promise<unknown>;
  /** What is waited for in place of the template's own time. */
  readonly instead?: (() => Promise<unknown>) | undefined;
  /** Writes an event. */
  readonly report: (reason: string) => void;
}

/** How often a group is looked at, in milliseconds. */
const pollMs = 200;

/** Replaces what is not launched as the group launches now. Does nothing where all are. */
export async function roll(name: string, update: RollingUpdate, roller: Roller): Promise<void> {
  const { autoScaling, report } = roller;
  const before = await describe(name, autoScaling);
  const obsolete = (before.Instances ?? []).flatMap(({ InstanceId, LaunchTemplate }) =>
    InstanceId !== undefined &&
    (LaunchTemplate?.LaunchTemplateId !== before.LaunchTemplate?.LaunchTemplateId ||
      LaunchTemplate?.Version !== before.LaunchTemplate?.Version)
      ? [InstanceId]
      : [],
  );
  if (obsolete.length === 0) return;
  const { MinSize = 0, DesiredCapacity = 0 } = before;
  const { leastInService, suspended, pauseTime } = update;
  const at = { AutoScalingGroupName: name };
  const resize = (least: number, desired: number) =>
    autoScaling.send(new UpdateAutoScalingGroupCommand({ ...at, MinSize: least, DesiredCapacity: desired }));
  const batch = Math.min(obsolete.length, update.batch);
  const pausing = pauseMs(pauseTime) > 0;
  report(
    [
      `Rolling update initiated. Terminating ${obsolete.length} obsolete instance(s) in batches of ${batch}`,
      leastInService > 0 ? `, while keeping at least ${leastInService} instance(s) in service.` : '.',
      pausing ? ` Pausing for ${pauseTime} when new instances are added to the autoscaling group.` : '',
    ].join(''),
  );
  if (suspended.length > 0)
    await autoScaling.send(new SuspendProcessesCommand({ ...at, ScalingProcesses: [...suspended] }));
  const meanwhile = Math.max(DesiredCapacity, batch + leastInService);
  report(`Temporarily setting autoscaling group MinSize and DesiredCapacity to ${meanwhile}.`);
  await resize(meanwhile, meanwhile);
  let known = new Set(before.Instances?.map(({ InstanceId }) => InstanceId));
  const settle = async (gone: readonly string[], whenGone?: () => void) => {
    known = await settled(name, roller, gone, known, pausing ? pauseTime : undefined, whenGone);
  };
  await settle([]);
  for (let done = 0; done < obsolete.length; done += batch) {
    const leaving = obsolete.slice(done, done + batch);
    const isLast = done + batch >= obsolete.length;
    const there = (await describe(name, autoScaling)).Instances?.length ?? 0;
    const replacements = isLast ? Math.max(0, DesiredCapacity - (there - leaving.length)) : leaving.length;
    report(`Terminating instance(s) [${leaving.join(',')}]; replacing with ${replacements} new instance(s).`);
    if (isLast) await resize(MinSize, meanwhile);
    for (const [index, InstanceId] of leaving.entries())
      await autoScaling
        .send(
          new TerminateInstanceInAutoScalingGroupCommand({
            InstanceId,
            // What was added for the time of the update goes with the last ones.
            ShouldDecrementDesiredCapacity: isLast && index < meanwhile - DesiredCapacity,
          }),
        )
        .catch((error: unknown) => {
          // It may have gone by itself.
          if (!(error instanceof Error && error.message.startsWith('Instance Id not found'))) throw error;
        });
    if (isLast) await resize(MinSize, DesiredCapacity);
    const progress = Math.round((100 * Math.min(obsolete.length, done + batch)) / obsolete.length);
    await settle(leaving, () =>
      report(`Successfully terminated instance(s) [${leaving.join(',')}] (Progress ${progress}%).`),
    );
  }
  if (suspended.length > 0)
    await autoScaling.send(new ResumeProcessesCommand({ ...at, ScalingProcesses: [...suspended] }));
}

/**
 * Waits until the instances are gone and as many are in service as are desired, and pauses for those that are new.
 * @returns all that are there then
 */
async function settled(
  name: string,
  { autoScaling, pause, report, instead }: Roller,
  gone: readonly string[],
  known: ReadonlySet<string | undefined>,
  pauseTime: string | undefined,
  whenGone?: () => void,
): Promise<Set<string | undefined>> {
  let told = whenGone === undefined;
  for (;;) {
    const { Instances = [], DesiredCapacity } = await describe(name, autoScaling);
    const serving = Instances.filter(({ LifecycleState }) => LifecycleState === 'InService');
    const left = Instances.some(({ InstanceId = '' }) => gone.includes(InstanceId));
    if (!left && !told) {
      whenGone?.();
      told = true;
    }
    if (!left && serving.length === DesiredCapacity && serving.length === Instances.length) {
      const now = new Set(Instances.map(({ InstanceId }) => InstanceId));
      if (pauseTime !== undefined && [...now].some((each) => !known.has(each))) {
        report(`New instance(s) added to autoscaling group - Pausing for ${pauseTime}.`);
        await (instead?.() ?? pause(pauseMs(pauseTime)));
      }
      return now;
    }
    await pause(pollMs);
  }
}

async function describe(name: string, autoScaling: AutoScalingClient): Promise<AutoScalingGroup> {
  const { AutoScalingGroups = [] } = await autoScaling.send(
    new DescribeAutoScalingGroupsCommand({ AutoScalingGroupNames: [name] }),
  );
  const [group] = AutoScalingGroups;
  if (group === undefined) throw new Error(`AutoScalingGroup name not found - ${name}`);
  return group;
}
