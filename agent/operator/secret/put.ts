/**
 * `adjoin secret put`: the service account's values, from the keyboard into the secret.
 *
 *     asked ──wrong form──▶ refused: nothing is put
 *       └────▶ tried on a controller ──refused──▶ nothing is put
 *                 │ └──no controller answers here──▶ the password is asked for again
 *                 └──▶ put, once ──▶ (--wait) a worker says that it took this version
 *
 * A version that is put is tried by every worker at once, and a wrong password counts as a failed logon for each. So what can be known
 * to be wrong before it is put, is found here, at the cost of one logon.
 */
import type { Answer } from '../../aws/inquiry-answers.ts';
import { EXIT } from '../../cli/exit.ts';
import { wrap } from '../../cli/table.ts';
import type { Terminal } from '../../cli/terminal.ts';
import type { Clock } from '../../clock.ts';
import { parseSecret } from '../../directory/secret-format.ts';
import { AdjoinError, asAdjoinError } from '../../errors.ts';
import type { Redactor } from '../../redact.ts';
import type { ServiceCredential } from '../../terms.ts';
import type { Prompt } from '../prompt.ts';

export interface PutPorts {
  /** Whether the caller may reach the secret. @throws AdjoinError */
  look(signal: AbortSignal): Promise<void>;
  /** One logon, which also looks for the unit. @throws AdjoinError */
  tryLogOn(credential: ServiceCredential, signal: AbortSignal): Promise<void>;
  /** Makes it the current version, under this ID. Repeating it with the same ID changes nothing. */
  put(versionId: string, text: string, signal: AbortSignal): Promise<void>;
  askWorker(signal: AbortSignal): Promise<Answer | string>;
  newId(): string;
}

export interface PutOptions {
  /** What is asked for where it is not given. */
  readonly domain?: string;
  readonly user?: string;
  readonly unit?: string;
  /** Milliseconds for which a worker is asked whether it took the version; 0: none is asked. */
  readonly waitMs: number;
}

/** The controllers said nothing about the values. */
const UNREACHED: ReadonlySet<string> = new Set(['directory-unavailable', 'directory-untrusted']);

/** Milliseconds between two inquiries: a worker reads the secret every 15 seconds unless told otherwise. */
const AGAIN_MS = 5_000;

interface Values {
  readonly domain_name: string;
  readonly domain_user: string;
  readonly directory_ou: string;
}

/** @throws AdjoinError for bytes that are no text */
function textOf(typed: Buffer): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(typed);
  } catch {
    throw new AdjoinError('secret-invalid', 'What was typed is not UTF-8: set the terminal to it.');
  }
}

async function askValues(options: PutOptions, prompt: Prompt, signal: AbortSignal): Promise<Values> {
  const given = async (value: string | undefined, question: string): Promise<string> =>
    value ?? prompt.ask(question, signal);
  return {
    domain_name: await given(options.domain, 'Domain, as in corp.example.test: '),
    domain_user: await given(options.user, String.raw`Service account, as in svc-adjoin, CORP\… or …@…: `),
    directory_ou: await given(options.unit, 'Organizational unit, as in OU=Fleet,DC=corp,…: '),
  };
}

interface Desk {
  readonly prompt: Prompt;
  readonly terminal: Terminal;
  readonly clock: Clock;
  readonly redactor: Redactor;
}

/** @returns whether it may be put. @throws AdjoinError when the directory refuses it */
async function isProven(
  credential: ServiceCredential,
  typed: Buffer,
  ports: PutPorts,
  { prompt, terminal }: Desk,
  signal: AbortSignal,
): Promise<boolean> {
  try {
    await ports.tryLogOn(credential, signal);
    terminal.err(`The directory accepts ${credential.user}, and shows the unit.\n`);
    return true;
  } catch (error) {
    signal.throwIfAborted();
    const known = asAdjoinError(error);
    if (!UNREACHED.has(known.code)) throw known;
    terminal.err(wrap(`The logon was not tried from here: ${known.code}: ${known.message}`));
  }
  const again = await prompt.askSecret('Password again: ', signal);
  try {
    if (again.equals(typed)) return true;
    terminal.err('The two are not the same. Nothing was put.\n');
    return false;
  } finally {
    again.fill(0);
  }
}

/** Asks workers until one has this version. @returns the exit code */
async function followWorker(
  versionId: string,
  waitMs: number,
  ports: PutPorts,
  { clock, terminal }: Desk,
  signal: AbortSignal,
): Promise<number> {
  const deadline = clock.now() + waitMs;
  let last = 'none was asked';
  terminal.err('Asking a worker…\n');
  while (clock.now() < deadline) {
    const answer = await ports.askWorker(signal);
    if (typeof answer === 'string') last = answer;
    else {
      const find = (id: string) => answer.findings.find((finding) => finding.id === id);
      const read = find('secret-readable');
      const logOn = find('log-on');
      if (read?.text === `version ${versionId}` && logOn?.state === 'passed') {
        terminal.out(`The worker ${answer.worker} logs on with it.\n`);
        return EXIT.ok;
      }
      if (read?.text === `version ${versionId}` && logOn?.state === 'failed') {
        terminal.err(wrap(`The worker ${answer.worker} can't log on with it: ${logOn.text ?? ''}`));
        return EXIT.failed;
      }
      last = `the worker ${answer.worker} has ${read?.text ?? 'another version'}`;
    }
    await clock.sleep(AGAIN_MS, signal);
  }
  terminal.err(
    wrap(`No worker has said that it took the version: ${last}. Look: adjoin doctor --ask-worker`),
  );
  return EXIT.busy;
}

/** @returns the exit code */
export async function putSecret(
  options: PutOptions,
  ports: PutPorts,
  desk: Desk,
  signal: AbortSignal,
): Promise<number> {
  const { prompt, redactor, terminal } = desk;
  if (!prompt.isAttended) {
    terminal.err(
      wrap(
        'The password is typed at a terminal, and comes from nowhere else: no argument, environment variable, pipe or file. Run this command where you can type.',
      ),
    );
    return EXIT.usage;
  }
  // Who may not, is told before a password was typed.
  await ports.look(signal);
  const values = await askValues(options, prompt, signal);
  const typed = await prompt.askSecret('Password: ', signal);
  let password = '';
  try {
    password = textOf(typed);
    redactor.hide(password);
    const text = JSON.stringify({ ...values, domain_password: password });
    const versionId = ports.newId();
    const credential = parseSecret(versionId, text);
    if (!(await isProven(credential, typed, ports, desk, signal))) return EXIT.failed;
    await ports.put(versionId, text, signal);
    terminal.out(`The secret has the version ${versionId}. Workers take it within seconds.\n`);
    return options.waitMs > 0 ? await followWorker(versionId, options.waitMs, ports, desk, signal) : EXIT.ok;
  } finally {
    typed.fill(0);
    redactor.forget(password);
  }
}
