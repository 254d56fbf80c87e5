import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { linuxPackages, linuxSystems, operatingSystems } from './operating-systems.ts';
import { parameters, type Purpose } from './parameters.ts';

/**
 * The command documents (schema 2.2), with their scripts inside. Each has one step for each platform; a step for another
 * platform is skipped by its precondition, so Windows fits beside Linux without a change of parameters or facts.
 *
 * A script answers with one JSON line of facts on standard output and exit code 0, even when the facts say `failed`. Any
 * other exit code means that it could not report facts at all; standard error then has the reason.
 */
export interface CommandDocument {
  readonly purpose: Purpose;
  readonly name: `adjoin-${Purpose}`;
  /** The document as JSON. The same bytes for the same sources, so that its hash can be pinned. */
  readonly content: string;
  /** SHA-256 of `content`, in hexadecimal, as SendCommand's DocumentHash takes it. */
  readonly sha256: string;
}

export function commandDocuments(): CommandDocument[] {
  return (['probe', 'join', 'leave', 'prepare-image'] as const).map((purpose) => {
    const content = `${JSON.stringify(commandDocument(purpose), undefined, 2)}\n`;
    const sha256 = createHash('sha256').update(content).digest('hex');
    return { purpose, name: `adjoin-${purpose}`, content, sha256 };
  });
}

const descriptions: Readonly<Record<Purpose, string>> = {
  probe: 'adjoin: says what the node is, and makes the key pair that its one-time password is sealed to',
  join: 'adjoin: joins the node to the domain with the sealed one-time password of its staged computer account',
  leave: 'adjoin: takes the node out of the domain without asking the directory',
  'prepare-image':
    'adjoin: installs what a join needs on an instance, and removes what an image must not have from it',
};

function commandDocument(purpose: Purpose) {
  return {
    schemaVersion: '2.2',
    description: descriptions[purpose],
    parameters: parameters[purpose],
    mainSteps: [
      {
        action: 'aws:runShellScript',
        name: `${purpose.replace('-i', 'I')}Linux`,
        precondition: { StringEquals: ['platformType', 'Linux'] },
        inputs: { timeoutSeconds: '{{ executionTimeout }}', runCommand: linuxScript(purpose).split('\n') },
      },
    ],
  };
}

/**
 * Parameters are substituted as text, so they appear nowhere but between single quotes in these assignments, ahead of the
 * scripts; their patterns allow no quote. A list becomes JSON text, whose double quotes mean nothing there.
 */
const assignments: Readonly<Record<Purpose, readonly string[]>> = {
  probe: [
    "GIVEN_CHALLENGE='{{ challenge }}'",
    "GIVEN_SYSTEM='{{ operatingSystem }}'",
    "GIVEN_REPOSITORY='{{ packageRepository }}'",
  ],
  join: [
    "GIVEN_DOMAIN='{{ domain }}'",
    "GIVEN_CONTROLLER='{{ domainController }}'",
    "GIVEN_ENTRIES='{{ entries }}'",
    "GIVEN_SYSTEM='{{ operatingSystem }}'",
    "GIVEN_REPOSITORY='{{ packageRepository }}'",
    "GIVEN_LOG_IN_GROUPS='{{ logInGroups }}'",
    "GIVEN_SUDO_GROUPS='{{ sudoGroups }}'",
    "GIVEN_GROUP_POLICY='{{ groupPolicy }}'",
  ],
  leave: ["GIVEN_DOMAIN='{{ domain }}'", "GIVEN_NOT_AFTER='{{ notAfter }}'"],
  'prepare-image': [
    "GIVEN_SYSTEM='{{ operatingSystem }}'",
    "GIVEN_REPOSITORY='{{ packageRepository }}'",
    "GIVEN_REGION='{{ region }}'",
  ],
};

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
  const timeLimit = "TIME_LIMIT='{{ executionTimeout }}'";
  return ['#!/bin/sh', timeLimit, ...assignments[purpose], ...tables(script), script].join('\n');
}

/**
 * A script's text without comments and indentation: Systems Manager has 64 KB for a document together with its parameters, and those
 * of a join for 50 nodes are 27 KB. Lines of the scripts that begin with # are comments, inside awk's programs too.
 */
function source(path: string): string {
  const text = readFileSync(join(import.meta.dirname, path), 'utf8');
  return text.replace(/^ *#.*\n/gm, '').replace(/^ +/gm, '');
}

/** What config/operating-systems.json says, for the scripts that look at it: no two documents are larger than they must be. */
function tables(script: string): string[] {
  if (!script.includes('$SYSTEMS')) return [];
  const systems = operatingSystems();
  return [`SYSTEMS='${linuxSystems(systems)}'`, `PACKAGES='${linuxPackages(systems)}'`];
}
