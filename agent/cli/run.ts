/** `adjoin run`: the agent, until it is told to stop. */
import { systemClock } from '../clock.ts';
import { createAgent } from '../compose.ts';
import type { Config } from '../config.ts';
import { createLog } from '../log.ts';
import { createRedactor } from '../redact.ts';
import { sweepStops } from '../sweep/schedule.ts';
import { EXIT } from './exit.ts';
import type { Terminal } from './terminal.ts';

/** @returns the exit code: 0 drained after SIGTERM or SIGINT */
export async function run(config: Config, terminal: Terminal): Promise<number> {
  const redactor = createRedactor();
  const log = createLog({
    level: config.logLevel,
    redactor,
    write: (line) => terminal.out(line),
    now: () => systemClock.now(),
  });
  const agent = createAgent(config, systemClock, redactor, log);
  const stopping = new AbortController();
  const stop = (): void => {
    stopping.abort(sweepStops());
    agent.worker.stop();
  };
  const onSignal = (signal: NodeJS.Signals): void => {
    log.info('signal received', { signal });
    stop();
  };
  process.on('SIGTERM', onSignal).on('SIGINT', onSignal);
  let isLogClosed = false;
  terminal.onClosed(() => {
    // The log has no reader any more, and work without a trace is not done. The supervisor's restart opens a new log.
    isLogClosed = true;
    stop();
  });
  log.info('agent started', {
    deployment: config.deployment,
    queueUrl: config.queueUrl,
    concurrency: config.concurrency,
  });
  const sweeping = agent.sweepOnSchedule(stopping.signal);
  const watching = agent.watchCredential(stopping.signal);
  const telling = agent.tellLoad(stopping.signal);
  try {
    await agent.worker.run();
    log.info('agent stopped', { endings: Object.fromEntries(agent.endings) });
    return isLogClosed ? EXIT.failed : EXIT.ok;
  } catch (error) {
    log.error('agent failed', { error });
    return EXIT.failed;
  } finally {
    stopping.abort(sweepStops());
    await sweeping;
    await watching;
    await telling;
    await agent.close();
    process.off('SIGTERM', onSignal).off('SIGINT', onSignal);
  }
}
