import { clockTime, type Screen } from '../story/view.ts';

/** A line for each part of the start, with the time that it took; a terminal shows what is being waited for. */
export function createProgress(screen: Screen, startedAt: number): (step: string | undefined) => void {
  let current: { step: string; since: number } | undefined;
  return (step) => {
    const now = Date.now();
    const time = clockTime(now - startedAt);
    if (current) {
      const seconds = ((now - current.since) / 1000).toFixed(1);
      screen.write(`${screen.live ? '\r' : ''}${time}  ${current.step}: ${seconds} s\n`);
    }
    current = step === undefined ? undefined : { step, since: now };
    if (step !== undefined && screen.live) screen.write(`${time}  ${step} …`);
  };
}
