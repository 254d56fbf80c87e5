/**
 * What can be seen of a command document before it runs: whether it keeps the contract (docs/own-scripts.md). It can't be seen whether
 * its script is right.
 */
import { createHash } from 'node:crypto';
import * as z from 'zod';
import { type OwnPurpose, sentParameters } from '../nodes/contract.ts';

export interface Finding {
  readonly what: string;
  readonly todo: string;
}

export interface Check {
  readonly purpose: OwnPurpose;
  /** SHA-256 of the bytes, which is what Systems Manager calls the document's hash. */
  readonly sha256: string;
  readonly findings: readonly Finding[];
}

/** Bytes of a document together with the parameters of a command (Systems Manager's quotas). */
const LARGEST = 65_536;

const step = z.looseObject({
  action: z.string(),
  name: z.string().default(''),
  precondition: z.unknown().optional(),
  inputs: z.looseObject({ timeoutSeconds: z.unknown(), runCommand: z.array(z.string()) }),
});
const parameter = z.looseObject({
  type: z.string(),
  default: z.unknown().optional(),
  allowedPattern: z.string().optional(),
  maxItems: z.number().optional(),
});
const shape = z.looseObject({
  schemaVersion: z.literal('2.2'),
  parameters: z.record(z.string(), parameter).default({}),
  mainSteps: z.array(step).min(1),
});
type Step = z.output<typeof step>;
type Shape = z.output<typeof shape>;

/** They run what stands in the document; every other action brings something that the document's hash does not cover. */
const PLATFORMS: Readonly<Record<string, string>> = {
  'aws:runShellScript': 'Linux',
  'aws:runPowerShellScript': 'Windows',
};
const SECRET = /passw|secret|token|credential|private|api.?key/i;
/** Ends a quoted string in a shell or in PowerShell, and goes on. */
const HOSTILE = ["'", '"', '`', '$(x)', '\n', ';', '\\'];

function parse(content: string): Shape | Finding[] {
  let value: unknown;
  try {
    value = JSON.parse(content);
  } catch {
    return [{ what: 'It is not JSON.', todo: 'Write the document as JSON; YAML is not looked at.' }];
  }
  const result = shape.safeParse(value);
  if (result.success) return result.data;
  return result.error.issues.map(({ path, message }) => ({
    what: `${path.join('.') || 'The document'}: ${message}.`,
    todo: 'A command document has schemaVersion 2.2, parameters, and mainSteps with action and inputs.runCommand, a list of lines.',
  }));
}

function purposeOf({ parameters }: Shape): OwnPurpose {
  if ('entries' in parameters) return 'join';
  return 'notAfter' in parameters ? 'leave' : 'post-join';
}

function patternFindings(name: string, pattern: string | undefined, sample: string): Finding[] {
  if (pattern === undefined) {
    const todo =
      'Parameters are put into the script as text. Give it an allowedPattern that admits no quote.';
    return [{ what: `Parameter ${name} has no allowedPattern.`, todo }];
  }
  let known: RegExp;
  try {
    known = new RegExp(pattern);
  } catch {
    return [{ what: `The allowedPattern of ${name} is no regular expression.`, todo: 'Correct it.' }];
  }
  const findings: Finding[] = [];
  if (!known.test(sample)) {
    const what = `The allowedPattern of ${name} does not take ${JSON.stringify(sample.slice(0, 60))}, which is what adjoin sends.`;
    findings.push({ what, todo: 'Take the pattern of the example in docs/own-scripts.md.' });
  }
  const admitted = HOSTILE.filter((text) => known.test(sample + text) || known.test(text + sample));
  if (admitted.length > 0) {
    const what = `The allowedPattern of ${name} admits ${admitted.map((text) => JSON.stringify(text)).join(' ')}.`;
    findings.push({
      what,
      todo: 'Anchor it with ^ and $ and name the characters that you need: what ends a quoted string runs as root.',
    });
  }
  return findings;
}

function parameterFindings({ parameters }: Shape, purpose: OwnPurpose): Finding[] {
  const findings: Finding[] = [];
  const sent = sentParameters[purpose];
  for (const [name, { type, isOptional, sample }] of Object.entries(sent)) {
    const found = parameters[name];
    if (!found) {
      const todo = `Declare it as ${type}, whether the script uses it or not: Run Command refuses parameters that a document does not know.`;
      findings.push({ what: `Parameter ${name} is missing.`, todo });
      continue;
    }
    if (found.type !== type)
      findings.push({ what: `Parameter ${name} is a ${found.type}.`, todo: `Make it a ${type}.` });
    if (isOptional && found.default === undefined) {
      const todo = 'Give it a default: it is sent only where the group or the configuration says something.';
      findings.push({ what: `Parameter ${name} has no default.`, todo });
    }
    findings.push(...patternFindings(name, found.allowedPattern, sample));
    const { mostItems } = sent[name] ?? {};
    if (mostItems !== undefined && found.maxItems !== undefined && found.maxItems < mostItems) {
      const todo = `Let it take ${mostItems}: as many nodes share a command.`;
      findings.push({ what: `Parameter ${name} takes ${found.maxItems} items at most.`, todo });
    }
  }
  for (const [name, { default: fallback }] of Object.entries(parameters)) {
    if (SECRET.test(name)) {
      const todo =
        'Take it out: parameters stay in the history of commands and in CloudTrail. A script gets its secrets on the node, with the role of the node.';
      findings.push({ what: `Parameter ${name} looks like a secret.`, todo });
    }
    if (!(name in sent) && fallback === undefined) {
      const todo =
        'Give it a default or take it out: adjoin does not send it, so that no command would be accepted.';
      findings.push({ what: `Parameter ${name} has no default.`, todo });
    }
  }
  return findings;
}

const ASSIGNMENT = /^\s*(?:\$?[A-Za-z_]\w*) ?= ?'\{\{ ?\w+ ?\}\}'\s*$/;

function scriptFindings({ name, action, inputs }: Step, shape_: Shape, purpose: OwnPurpose): Finding[] {
  const findings: Finding[] = [];
  const lines = inputs.runCommand;
  const where = `Step ${name}`;
  for (const line of lines) {
    for (const [, used = ''] of line.matchAll(/\{\{\s*([\w:.-]+)\s*\}\}/g)) {
      if (used in shape_.parameters && !ASSIGNMENT.test(line)) {
        const todo = `Assign it at the top, between single quotes and alone in its line: NAME='{{ ${used} }}'.`;
        findings.push({ what: `${where} uses the parameter ${used} in the middle of a line.`, todo });
      }
      if (!(used in shape_.parameters))
        findings.push({
          what: `${where} uses ${used}, which is no parameter.`,
          todo: 'Declare it, or correct the name.',
        });
    }
  }
  const text = lines.join('\n').replaceAll('\\"', '"');
  const says = (pattern: RegExp): boolean => pattern.test(text);
  if (purpose !== 'post-join') {
    const result = purpose === 'join' ? 'joined' : 'left';
    const named = new RegExp(`["']${purpose}["']`);
    if (!says(/"adjoin":\s*1\b/) || !says(named) || !says(new RegExp(`\\b${result}\\b`))) {
      const todo = `Print {"adjoin":1,"document":"${purpose}","result":"${result}",…} in one line of standard output, and exit with 0. Without it the command counts as failed.`;
      findings.push({ what: `${where} prints no line of facts that could be seen.`, todo });
    }
  }
  if (purpose === 'join' && !says(/\bentries\b/)) {
    const todo =
      'Read the own entry, that of AWS_SSM_INSTANCE_ID, and open its one-time password with the key of the probe.';
    findings.push({ what: `${where} does not read the entries.`, todo });
  }
  const reboot =
    action === 'aws:runShellScript'
      ? /^\s*(?:\/usr)?(?:\/s?bin\/)?(?:reboot|shutdown|poweroff|systemctl reboot)\b/m
      : /\b(?:Restart-Computer|shutdown(?:\.exe)?\s+[/-]r)\b/i;
  if (says(reboot)) {
    const code = action === 'aws:runShellScript' ? 194 : 3010;
    const todo = `Exit with ${code}: the SSM agent restarts the node and runs the step again.`;
    findings.push({ what: `${where} restarts the node by itself, which ends the command as failed.`, todo });
  }
  if (says(/^\s*set -[a-z]*x|Set-PSDebug/m)) {
    const todo = 'Take it out: the output of a command is kept, and a trace has what the script handles.';
    findings.push({ what: `${where} traces its commands.`, todo });
  }
  return findings;
}

function stepFindings(document: Shape, purpose: OwnPurpose): Finding[] {
  const findings: Finding[] = [];
  const names = document.mainSteps.map(({ name }) => name);
  for (const each of document.mainSteps) {
    const where = `Step ${each.name}`;
    if (!/^\w+$/.test(each.name) || names.indexOf(each.name) !== names.lastIndexOf(each.name)) {
      const todo = 'Give each step a name of its own, of letters, digits and underscores.';
      findings.push({ what: `${where} has no name of its own.`, todo });
    }
    const platform = PLATFORMS[each.action];
    if (platform === undefined) {
      const todo = `Put the script into the document, with ${Object.keys(PLATFORMS).join(' or ')}: the hash of the document does not cover what other actions fetch.`;
      findings.push({ what: `${where} has the action ${each.action}.`, todo });
      continue;
    }
    const precondition = JSON.stringify(each.precondition ?? {});
    if (precondition !== JSON.stringify({ StringEquals: ['platformType', platform] })) {
      const todo = `Give it the precondition {"StringEquals":["platformType","${platform}"]}, so that nodes of another platform say that they can't run it.`;
      findings.push({ what: `${where} is not kept to ${platform}.`, todo });
    }
    if (each.inputs.timeoutSeconds !== '{{ executionTimeout }}') {
      const todo =
        'Write "timeoutSeconds": "{{ executionTimeout }}": the agent waits no longer, and the node would go on alone.';
      findings.push({ what: `${where} does not end with its time.`, todo });
    }
    findings.push(...scriptFindings(each, document, purpose));
  }
  return findings;
}

/** Bytes that a command of the purpose takes beside the document, with values as long as they get. */
function roomFor(purpose: OwnPurpose): number {
  const all = Object.values(sentParameters[purpose]);
  return all.reduce((sum, { longest, mostItems = 1 }) => sum + longest * mostItems, 0);
}

/** @param asked the purpose; without one it is that of the document's parameters */
export function checkDocument(content: string, asked?: OwnPurpose): Check {
  const sha256 = createHash('sha256').update(content).digest('hex');
  const document = parse(content);
  if (Array.isArray(document)) return { purpose: asked ?? 'post-join', sha256, findings: document };
  const purpose = asked ?? purposeOf(document);
  const findings = [...parameterFindings(document, purpose), ...stepFindings(document, purpose)];
  const room = LARGEST - roomFor(purpose);
  const size = Buffer.byteLength(content);
  if (size > room) {
    const todo = `Make it ${room} bytes at most: Systems Manager has ${LARGEST} for a document and the parameters of its command.`;
    findings.push({ what: `It has ${size} bytes.`, todo });
  }
  return { purpose, sha256, findings };
}
