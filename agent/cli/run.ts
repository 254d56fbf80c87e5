/** `adjoin run`: the agent, until it is told to stop. */
import { parseArgs } from 'node:util';
import { systemClock } from '../clock.ts';
import { createAgent } from '../compose.ts';
import { createLog } from '../log.ts';
import { createRedactor } from '../redact.ts';
import { sweepStops } from '../sweep/schedule.ts';
import { readConfig } from './config.ts';
import { EXIT } from './exit.ts';
import { processTerminal } from './terminal.ts';
import { UsageError } from './usage.ts';

/** @returns the exit code: 0 drained after SIGTERM or SIGINT */
export async function run(argv: readonly string[]): Promise<number> {
  const { values } = parseArgs({ args: [...argv], options: { config: { type: 'string' } } });
  if (!values.config) throw new UsageError('--config is missing');
  const config = readConfig(values.config, processTerminal);
  if (!config) return EXIT.config;
  const redactor = createRedactor();
  const log = createLog({
    level: config.logLevel,
    redactor,
    write: (line) => processTerminal.out(line),
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
  let unheard = false;
  process.stdout.on('error', () => {
    // Nobody reads the log any more. Work that leaves no trace is not done; whoever restarts us opens a new one.
    unheard = true;
    stop();
  });
  log.info('agent started', {
    deployment: config.deployment,
    queueUrl: config.queueUrl,
    concurrency: config.concurrency,
  });
  const sweeping = agent.sweepOnSchedule(stopping.signal);
  try {
    await agent.worker.run();
    log.info('agent stopped', { endings: Object.fromEntries(agent.endings) });
    return unheard ? EXIT.failed : EXIT.ok;
  } catch (error) {
    log.error('agent failed', { error });
    return EXIT.failed;
  } finally {
    stopping.abort(sweepStops());
    await sweeping;
    await agent.close();
  }
}
