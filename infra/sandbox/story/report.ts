/** The story as JSON, for a machine that compares runs. */
import { durations, launchSteps, terminateSteps } from './memberships.ts';
import type { StoryResult } from './story.ts';

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
    calls: result.calls,
  };
}
