/** The story as files: JSON for a machine that compares runs, a picture for people. */
import { durations, launchSteps, terminateSteps } from './memberships.ts';
import { barOf, drawPanels } from './picture.ts';
import type { StoryResult } from './story.ts';
import { timeToJoin } from './time-to-join.ts';

/** What `--report FILE` writes. Durations are seconds. */
export function reportOf(result: StoryResult, startedAt: Date): Record<string, unknown> {
  return {
    startedAt: startedAt.toISOString(),
    proven: result.proven,
    seconds: result.seconds,
    chapters: result.chapters,
    instances: result.instances.map(({ instanceId, membership }) => ({
      instanceId,
      ...(result.systems.has(instanceId) && { system: result.systems.get(instanceId) }),
      computerName: membership?.computerName ?? null,
      join: Object.fromEntries(durations(membership?.launch, launchSteps)),
      unjoin: Object.fromEntries(durations(membership?.terminate, terminateSteps)),
      lastError: membership?.lastError ?? null,
    })),
    // From the agent's being online to CONTINUE, by group and step.
    timeToJoin: timeToJoin(result.instances, result.lives).map(({ group, joins, p50, p99 }) => ({
      group,
      joins,
      p50: Object.fromEntries(p50),
      p99: Object.fromEntries(p99),
    })),
    calls: result.calls,
  };
}

/** What `--picture FILE` writes: all instances beside each other, from the beginning of the story to its end. */
export function pictureOf({ instances, lives, from, to, chapters, seconds }: StoryResult): string {
  const bars = instances.map(({ instanceId, membership }) =>
    barOf(instanceId, lives.get(instanceId), membership, to),
  );
  const sizes = chapters.slice(0, -1).map(({ title }) => title);
  const title = `${sizes.join(', ')}: ${instances.length} instances in ${seconds.toFixed(1)} s`;
  return drawPanels(title, [{ title: 'each instance', from, bars }]);
}
