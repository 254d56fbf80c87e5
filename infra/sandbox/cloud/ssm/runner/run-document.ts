import type { Platform } from '../../ec2/instances.ts';
import { violation, type CommandDocument, type Parameters, type Step } from '../document.ts';
import { membersOf } from '../../wire/shape.ts';
import { combined, cut, outputLimits } from './output.ts';
import { substitute } from './substitute.ts';

/*
 * One document on one node, as the SSM agent does it. A step ends as
 *   Success | Failed | TimedOut | Cancelled | Skipped
 * and the document as the worst of its steps: Failed, TimedOut, Cancelled, Success.
 *
 *   exit 0 ─▶ Success      168 ─▶ Success, rest skipped     169 ─▶ Failed, rest skipped
 *   exit n ─▶ Failed; with inputs.onFailure=exit the rest is skipped, but for a finallyStep
 *   194, on Windows 3010 ─▶ the machine reboots and the same step runs again, 15 times in all
 *   too long ─▶ TimedOut, code 137, what it printed is kept, the next step runs all the same
 *   cancelled ─▶ Cancelled, output dropped: code 137 for the step that is killed, 1 for one that has not begun
 */

/** Runs a shell script inside a machine: as root, in `/`, with umask 0022, by `sh` unless it has a shebang. */
export interface ScriptRunner {
  run(
    instanceId: string,
    script: { path: string; text: string; env: Record<string, string>; timeoutMs: number },
    signal: AbortSignal,
  ): Promise<{ code: number | null; stdout: string; stderr: string; timedOut: boolean }>;
}

export type StepStatus = 'Success' | 'Failed' | 'TimedOut' | 'Cancelled' | 'Skipped';

export interface StepResult {
  readonly name: string;
  readonly action: string;
  readonly status: StepStatus;
  readonly code: number;
  readonly standardOutput: string;
  readonly standardError: string;
  /** Both streams, as ListCommandInvocations shows them. */
  readonly output: string;
  readonly startedAt: Date;
  readonly finishedAt: Date;
}

export type DocumentStatus = Exclude<StepStatus, 'Skipped'>;

export interface DocumentRun {
  readonly document: CommandDocument;
  readonly parameters: Parameters;
  readonly commandId: string;
  readonly instanceId: string;
  readonly region: string;
  readonly scripts: ScriptRunner;
  readonly platform: Platform['type'];
  readonly now: () => Date;
  readonly reboot: () => Promise<void>;
  readonly signal: AbortSignal;
}

/** Exit codes that speak to the agent. 3010 is Windows' own word for a success that needs a reboot. */
const exitCodes = {
  succeedAndStop: 168,
  failAndStop: 169,
  rebootAndRepeat: 194,
  rebootAndRepeatOnWindows: 3010,
} as const;
/** How often the agent starts one document, for as many reboots (its CommandRetryLimit). */
const mostRuns = 15;
/** What the agent accepts as a step's timeout, in seconds; anything else is the default, silently. */
const stepTimeout = { least: 5, most: 172_800, otherwise: 3600 } as const;

type Bare = Pick<StepResult, 'status' | 'code' | 'standardOutput' | 'standardError' | 'output'> & {
  stop?: boolean;
};

export async function runDocument(
  run: DocumentRun,
): Promise<{ status: DocumentStatus; steps: StepResult[] }> {
  const violated = Object.entries(run.document.parameters).find(
    ([name, definition]) => violation(definition, run.parameters[name] ?? []) !== undefined,
  );
  // A parameter that the document does not allow fails everything before anything runs.
  if (violated) return { status: 'Failed', steps: [] };
  const steps: StepResult[] = [];
  let stopped = false;
  for (const step of run.document.mainSteps) {
    const startedAt = run.now();
    const inputs = membersOf(substitute(step.inputs ?? {}, run.document.parameters, run.parameters));
    const skip: boolean = stopped && String(inputs['finallyStep']) !== 'true';
    const result: Bare = skip ? skipped(priorExit(step)) : await runStep(run, step, inputs);
    const { stop, ...bare } = result;
    stopped ||= stop ?? false;
    steps.push({ name: step.name ?? '', action: step.action, ...bare, startedAt, finishedAt: run.now() });
  }
  return { status: worst(steps), steps };
}

async function runStep(run: DocumentRun, step: Step, inputs: Record<string, unknown>): Promise<Bare> {
  if (run.signal.aborted) return cancelled(1);
  const unsatisfied = Object.entries(step.precondition ?? {}).find(
    ([operator, operands]) => !holds(run.platform, operator, operands),
  );
  if (unsatisfied) {
    const [operator, operands] = unsatisfied;
    return skipped(
      `Step execution skipped due to unsatisfied preconditions: '"${operator}": [${operands.join(', ')}]'. Step name: ${step.name ?? ''}`,
    );
  }
  if (step.action === 'aws:runPowerShellScript' && run.platform === 'Linux') {
    return failed(1, '', 'failed to run commands: exec: "pwsh": executable file not found in $PATH');
  }
  const isShell = step.action === 'aws:runShellScript' && run.platform === 'Linux';
  if (!isShell && step.action !== 'aws:runPowerShellScript') {
    return {
      ...failed(1, '', ''),
      output: `Plugin with name ${step.action} is not supported by this version of ssm agent, please update to latest version. Step name: ${step.name ?? ''}`,
    };
  }
  return runScript(run, step, inputs);
}

/**
 * Runs a script until it asks for no reboot any more. On Windows the agent writes a byte order mark and joins lines as Windows does;
 * elsewhere a file of the root-only directory that it has for each step.
 */
async function runScript(run: DocumentRun, step: Step, inputs: Record<string, unknown>): Promise<Bare> {
  const directory = `/var/lib/amazon/ssm/${run.instanceId}/document/orchestration/${run.commandId}/${step.name ?? ''}`;
  const lines = [inputs['runCommand'] ?? []].flat().map(String);
  const isWindows = run.platform === 'Windows';
  const script = {
    path: `${directory.replace(/\/$/, '')}/_script.${isWindows ? 'ps1' : 'sh'}`,
    text: isWindows ? `\uFEFF${lines.join('\r\n')}\r\n` : `${lines.join('\n')}\n`,
    env: {
      AWS_SSM_INSTANCE_ID: run.instanceId,
      AWS_SSM_REGION_NAME: run.region,
      SSM_COMMAND_ID: run.commandId,
    },
    timeoutMs: timeoutSeconds(inputs['timeoutSeconds']) * 1000,
  };
  const reboot = isWindows ? exitCodes.rebootAndRepeatOnWindows : exitCodes.rebootAndRepeat;
  for (let count = 1; ; count += 1) {
    const ran = await run.scripts.run(run.instanceId, script, run.signal);
    if (run.signal.aborted) return cancelled(137);
    if (ran.timedOut) return bare('TimedOut', 137, ran.stdout, ran.stderr);
    if (ran.code === reboot && count < mostRuns) {
      await run.reboot();
      if (run.signal.aborted) return cancelled(137);
      continue;
    }
    return concluded(ran.code ?? 137, ran.stdout, ran.stderr, inputs);
  }
}

/** The agent's notes on why the rest is skipped go into both streams, but not into the combined output. */
function concluded(code: number, stdout: string, stderr: string, inputs: Record<string, unknown>): Bare {
  if (code === exitCodes.succeedAndStop) {
    return noted(
      bare('Success', code, stdout, stderr),
      'Step exited with code 168. Therefore, marking step as succeeded.',
    );
  }
  if (code === 0) {
    const result = bare('Success', code, stdout, stderr);
    return inputs['onSuccess'] === 'exit'
      ? noted(result, 'Step was found to have onSuccess property.')
      : result;
  }
  const result = failed(code, stdout, `${stderr}failed to run commands: exit status ${code}`);
  if (code === exitCodes.failAndStop) {
    return noted(result, 'Step exited with code 169. Therefore, marking step as Failed.');
  }
  if (inputs['onFailure'] === 'successAndExit') {
    return noted({ ...result, status: 'Success' }, 'Step was found to have onFailure property.');
  }
  return inputs['onFailure'] === 'exit'
    ? noted(result, 'Step was found to have onFailure property.')
    : result;
}

function noted(result: Bare, why: string): Bare {
  const note = `\n${why} Further document steps will be skipped.`;
  return {
    ...result,
    stop: true,
    standardOutput: cut(result.standardOutput + note, outputLimits.standardOutput),
    standardError:
      result.standardError === '' ? '' : cut(result.standardError + note, outputLimits.standardError),
  };
}

function bare(status: StepStatus, code: number, stdout: string, stderr: string): Bare {
  return {
    status,
    code,
    standardOutput: cut(stdout, outputLimits.standardOutput),
    standardError: cut(stderr, outputLimits.standardError),
    output: combined(stdout, stderr),
  };
}

function failed(code: number, stdout: string, stderr: string): Bare {
  return bare('Failed', code, stdout, stderr);
}

function skipped(output: string): Bare {
  return { status: 'Skipped', code: 0, standardOutput: '', standardError: '', output };
}

const cancelled = (code: number): Bare => ({
  status: 'Cancelled',
  code,
  standardOutput: '',
  standardError: '',
  output: '',
});

function priorExit(step: Step): string {
  return `Plugin with name ${step.action} and id ${step.name ?? ''} skipped due to prior step with an exit condition`;
}

function holds(platform: Platform['type'], operator: string, operands: readonly string[]): boolean {
  const [left, right] = operands.map((each) => (each === 'platformType' ? platform : each));
  return operator === 'StringEquals' && left === right;
}

function timeoutSeconds(given: unknown): number {
  const seconds = Number(given);
  const usable = Number.isInteger(seconds) && seconds >= stepTimeout.least && seconds <= stepTimeout.most;
  return usable ? seconds : stepTimeout.otherwise;
}

function worst(steps: readonly StepResult[]): DocumentStatus {
  const order: DocumentStatus[] = ['Failed', 'TimedOut', 'Cancelled'];
  return order.find((status) => steps.some((step) => step.status === status)) ?? 'Success';
}
