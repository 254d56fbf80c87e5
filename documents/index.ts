import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { linuxPackages, linuxSystems, operatingSystems } from './operating-systems.ts';
import { parameters, type Purpose } from './parameters.ts';

/**
 * The command documents (schema 2.2), with their scripts inside. Parameters and facts are the same everywhere.
 *
 * A probe and a leave have one step for each platform; a step for another platform is skipped by its precondition. A join is sent
 * after the probe has said what the node runs, so it has a document for each platform, and the room that the other one's script
 * would take is left for the entries of nodes.
 *
 * A script answers with one JSON line of facts on standard output and exit code 0, even when the facts say `failed`. Any
 * other exit code means that it could not report facts at all; standard error then has the reason. On Windows, 3010 asks the SSM agent
 * for a reboot, after which it runs the step again.
 *
 * A document has 64 KB for its scripts and the parameters of a command, which for a join of 40 nodes take 25 KB at most.
 * So what a machine does not read is left out: comments, empty lines, and the indentation of JSON.
 */
export interface CommandDocument {
  readonly purpose: Purpose;
  /** The purpose, with the platform where each has a document of its own. */
  readonly kind: Kind;
  readonly name: `adjoin-${Kind}`;
  /** The document as JSON. The same bytes for the same sources, so that its hash can be pinned. */
  readonly content: string;
  /** SHA-256 of `content`, in hexadecimal, as SendCommand's DocumentHash takes it. */
  readonly sha256: string;
}

type Platform = 'Linux' | 'Windows';
export type Kind = Exclude<Purpose, 'join'> | 'join-linux' | 'join-windows';

const kinds: readonly (readonly [Kind, Purpose, readonly Platform[]])[] = [
  ['probe', 'probe', ['Linux', 'Windows']],
  ['join-linux', 'join', ['Linux']],
  ['join-windows', 'join', ['Windows']],
  ['leave', 'leave', ['Linux', 'Windows']],
  ['prepare-image', 'prepare-image', ['Linux']],
];

export function commandDocuments(): CommandDocument[] {
  return kinds.map(([kind, purpose, platforms]) => {
    const content = `${JSON.stringify(commandDocument(purpose, platforms))}\n`;
    const sha256 = createHash('sha256').update(content).digest('hex');
    return { purpose, kind, name: `adjoin-${kind}`, content, sha256 };
  });
}

const descriptions: Readonly<Record<Purpose, string>> = {
  probe: 'adjoin: says what the node is, and makes the key pair that its one-time password is sealed to',
  join: 'adjoin: joins the node to the domain with the sealed one-time password of its staged computer account',
  leave: 'adjoin: takes the node out of the domain without asking the directory',
  'prepare-image':
    'adjoin: installs what a join needs on an instance, and removes what an image must not have from it',
};

function commandDocument(purpose: Purpose, platforms: readonly Platform[]) {
  // The agent takes names of letters, digits and underscores.
  const stem = purpose.replace('-i', 'I');
  return {
    schemaVersion: '2.2',
    description: descriptions[purpose],
    parameters: parameters[purpose],
    mainSteps: platforms.map((platform) =>
      platform === 'Linux'
        ? step('aws:runShellScript', `${stem}Linux`, platform, linuxScript(purpose))
        : step('aws:runPowerShellScript', `${stem}Windows`, platform, windowsScript(purpose)),
    ),
  };
}

function step(action: string, name: string, platformType: Platform, script: string) {
  return {
    action,
    name,
    precondition: { StringEquals: ['platformType', platformType] },
    inputs: { timeoutSeconds: '{{ executionTimeout }}', runCommand: script.split('\n') },
  };
}

/**
 * What each parameter is called in the scripts: by a shell, and in PowerShell.
 *
 * Parameters are substituted as text, so they appear nowhere but between single quotes in assignments ahead of the scripts; their
 * patterns allow no quote. A list becomes JSON text, whose double quotes mean nothing there.
 */
const variables: Readonly<Record<Purpose, Readonly<Record<string, readonly [string, string]>>>> = {
  probe: {
    challenge: ['GIVEN_CHALLENGE', 'GivenChallenge'],
    operatingSystem: ['GIVEN_SYSTEM', 'GivenSystem'],
    packageRepository: ['GIVEN_REPOSITORY', 'GivenRepository'],
  },
  join: {
    domain: ['GIVEN_DOMAIN', 'GivenDomain'],
    domainController: ['GIVEN_CONTROLLER', 'GivenController'],
    entries: ['GIVEN_ENTRIES', 'GivenEntries'],
    operatingSystem: ['GIVEN_SYSTEM', 'GivenSystem'],
    packageRepository: ['GIVEN_REPOSITORY', 'GivenRepository'],
    logInGroups: ['GIVEN_LOG_IN_GROUPS', 'GivenLogInGroups'],
    sudoGroups: ['GIVEN_SUDO_GROUPS', 'GivenSudoGroups'],
    groupPolicy: ['GIVEN_GROUP_POLICY', 'GivenGroupPolicy'],
  },
  leave: { domain: ['GIVEN_DOMAIN', 'GivenDomain'], notAfter: ['GIVEN_NOT_AFTER', 'GivenNotAfter'] },
  // Linux alone.
  'prepare-image': {
    operatingSystem: ['GIVEN_SYSTEM', 'GivenSystem'],
    packageRepository: ['GIVEN_REPOSITORY', 'GivenRepository'],
    region: ['GIVEN_REGION', 'GivenRegion'],
  },
};

function assignments(purpose: Purpose, platform: 'linux' | 'windows'): string[] {
  const all = { executionTimeout: ['TIME_LIMIT', 'TimeLimit'] as const, ...variables[purpose] };
  return Object.entries(all).map(([parameter, [shell, powerShell]]) =>
    platform === 'linux' ? `${shell}='{{ ${parameter} }}'` : `$${powerShell} = '{{ ${parameter} }}'`,
  );
}

/** The script of `prepare-image` by itself, with every parameter's default: for builders of images that do not use Run Command. */
export function prepareImageScript(): string {
  let text = linuxScript('prepare-image');
  for (const [name, parameter] of Object.entries(parameters['prepare-image'])) {
    if (parameter.type === 'String') text = text.replace(`{{ ${name} }}`, parameter.default ?? '');
  }
  return `${text.trimEnd()}\n`;
}

/** The script after its assignments, with the files that it includes inserted: on a node there is no file beside it. */
function linuxScript(purpose: Purpose): string {
  const script = source(`${purpose}/linux.sh`).replace(
    /^\. \.\.\/(shared\/[\w-]+\.sh)$/gm,
    (_, path: string) => source(path),
  );
  return ['#!/bin/sh', ...assignments(purpose, 'linux'), ...tables(script), script].join('\n');
}

/** As above. Neither PowerShell nor C# minds the indentation; the end of a here-string is never indented. */
function windowsScript(purpose: Purpose): string {
  const text = readScript(`${purpose}/windows.ps1`).replace(
    /^\. "\$PSScriptRoot\/\.\.\/(shared\/\w+\.ps1)"$/gm,
    (_, path: string) => readScript(path),
  );
  const script = withoutUnused(text.replace(/^\s*(#|\/\/).*\n/gm, '')).replace(/^\s+/gm, '');
  return [...assignments(purpose, 'windows'), script].join('\n');
}

/** Leaves out functions that nothing calls: what stands for the machine serves all documents. */
function withoutUnused(text: string): string {
  const definition = /^( *)function ([\w-]+).*(?:\}|(?:\n\1 .*)*\n\1\})\n/gm;
  return text.replace(definition, (whole, _indent, name: string) => {
    const uses = text.match(new RegExp(`(?<![\\w-])${name}(?![\\w-])`, 'g')) ?? [];
    return uses.length > 1 ? whole : '';
  });
}

/**
 * A shell script's text without comments and indentation: Systems Manager has 64 KB for a document together with its parameters.
 * Lines of the scripts that begin with # are comments, inside awk's programs too.
 */
function source(path: string): string {
  return readScript(path)
    .replace(/^ *(#.*)?\n/gm, '')
    .replace(/^ +/gm, '');
}

function readScript(path: string): string {
  return readFileSync(join(import.meta.dirname, path), 'utf8');
}

/** What config/operating-systems.json says, for the scripts that look at it: no two documents are larger than they must be. */
function tables(script: string): string[] {
  if (!script.includes('$SYSTEMS')) return [];
  const systems = operatingSystems();
  return [`SYSTEMS='${linuxSystems(systems)}'`, `PACKAGES='${linuxPackages(systems)}'`];
}
