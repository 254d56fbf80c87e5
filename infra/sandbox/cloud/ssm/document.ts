import { createHash } from 'node:crypto';
import { ServiceFailure } from '../failure.ts';
import { enforce } from '../limits/limit.ts';
import { documentBytes } from '../limits/ssm.ts';
import { isRecord } from '../wire/shape.ts';

/** A command document (schema 2.2) after parsing. */
export interface CommandDocument {
  readonly schemaVersion: string;
  readonly description: string;
  readonly parameters: Readonly<Record<string, ParameterDefinition>>;
  readonly mainSteps: readonly Step[];
}

/** Where each action runs; a document is for all platforms that one of its actions is for (AWS-RunShellScript, AWS-RunPowerShellScript). */
const platformsOfActions: Readonly<Record<string, readonly ('Linux' | 'MacOS' | 'Windows')[]>> = {
  'aws:runShellScript': ['Linux', 'MacOS'],
  'aws:runPowerShellScript': ['Windows', 'Linux', 'MacOS'],
};

/** As DescribeDocument lists them. A step's precondition does not count. */
export function platformTypes({ mainSteps }: CommandDocument): ('Linux' | 'MacOS' | 'Windows')[] {
  const all = ['Windows', 'Linux', 'MacOS'] as const;
  const actions = mainSteps.map(({ action }) => platformsOfActions[action] ?? all);
  return all.filter((each) => actions.length === 0 || actions.some((platforms) => platforms.includes(each)));
}

export interface ParameterDefinition {
  readonly type: 'String' | 'StringList' | 'Integer' | 'Boolean';
  readonly description?: string;
  readonly default?: string | number | boolean | readonly string[];
  readonly allowedPattern?: string;
  readonly allowedValues?: readonly string[];
  readonly minItems?: number;
  readonly maxItems?: number;
  readonly minChars?: number;
  readonly maxChars?: number;
}

export interface Step {
  readonly action: string;
  /** Absent names are allowed; such a step is called ''. */
  readonly name?: string;
  readonly precondition?: Readonly<Record<string, readonly string[]>>;
  readonly inputs?: Readonly<Record<string, unknown>>;
}

/** Parameters as the API carries them: always lists. */
export type Parameters = Readonly<Record<string, readonly string[]>>;

const parameterTypes = ['String', 'StringList', 'Integer', 'Boolean'];

export type DocumentType = 'Command' | 'Session';

/** A session document says how a session is opened; it has no steps. @throws ServiceFailure */
export function parseSessionDocument(content: string): CommandDocument {
  const value = parseJson(content);
  if (value['schemaVersion'] !== '1.0' || typeof value['sessionType'] !== 'string') {
    throw new ServiceFailure(
      'InvalidDocumentSchemaVersion',
      'A session document has schema version 1.0 and a sessionType.',
    );
  }
  return {
    schemaVersion: '1.0',
    description: descriptionOf(value),
    parameters: parametersOf(value),
    mainSteps: [],
  };
}

/** @throws ServiceFailure */
export function parseDocument(content: string): CommandDocument {
  const value = parseJson(content);
  if (value['schemaVersion'] !== '2.2') {
    throw new ServiceFailure(
      'InvalidDocumentSchemaVersion',
      'The sandbox runs command documents of schema version 2.2.',
    );
  }
  const steps: unknown = value['mainSteps'];
  if (!Array.isArray(steps) || steps.length === 0) throw invalid('mainSteps must be a non-empty list.');
  const parameters = parametersOf(value);
  const mainSteps = steps.map((step: unknown) => {
    if (!isStep(step)) throw invalid('Every step must have an action.');
    for (const [, name] of JSON.stringify(step).matchAll(/\{\{\s*([A-Za-z0-9]+)\s*\}\}/g)) {
      if (name !== undefined && !(name in parameters))
        throw invalid(`Parameter ${name} is used but not defined.`);
    }
    return step;
  });
  return { schemaVersion: '2.2', description: descriptionOf(value), parameters, mainSteps };
}

function parseJson(content: string): Record<string, unknown> {
  enforce(documentBytes, content);
  let value: unknown;
  try {
    value = JSON.parse(content);
  } catch {
    throw invalid('JSON not well-formed.');
  }
  if (!isRecord(value)) throw invalid('The document must be a JSON object.');
  return value;
}

function descriptionOf(value: Readonly<Record<string, unknown>>): string {
  return typeof value['description'] === 'string' ? value['description'] : '';
}

function parametersOf(value: Readonly<Record<string, unknown>>): CommandDocument['parameters'] {
  const given: unknown = value['parameters'] ?? {};
  if (!isRecord(given)) throw invalid('parameters must be an object.');
  const parameters: Record<string, ParameterDefinition> = {};
  for (const [name, definition] of Object.entries(given)) {
    if (!/^[A-Za-z0-9]+$/.test(name)) throw invalid(`Invalid parameter name ${name}.`);
    if (!isDefinition(definition)) {
      throw invalid(`Parameter ${name} must have a type of ${parameterTypes.join(', ')}.`);
    }
    parameters[name] = definition;
  }
  return parameters;
}

export function contentHash(content: string): string {
  return createHash('sha256').update(content).digest('hex');
}

/** Refuses what SendCommand refuses; gives back the parameters with the defaults filled in. */
export function checkParameters(document: CommandDocument, given: Parameters): Parameters {
  const unknown = Object.keys(given).find((name) => !(name in document.parameters));
  if (unknown !== undefined)
    throw invalidParameters(`Parameter "${unknown}" is not defined in the document.`);
  const complete: Record<string, readonly string[]> = {};
  for (const [name, definition] of Object.entries(document.parameters)) {
    const values = given[name] ?? defaultOf(definition);
    if (values === undefined) throw invalidParameters(`Parameter "${name}" requires a value.`);
    const problem = violation(definition, values);
    if (problem !== undefined) throw invalidParameters(`Parameter "${name}" ${problem}.`);
    complete[name] = values;
  }
  return complete;
}

/** What is wrong with the values, or undefined. The pattern is searched for, not anchored: documents must anchor it. */
export function violation(definition: ParameterDefinition, values: readonly string[]): string | undefined {
  if (definition.type !== 'StringList' && values.length !== 1)
    return `is a ${definition.type} and takes one value`;
  if (definition.type === 'Integer' && !/^-?\d+$/.test(values[0] ?? '')) return 'must be an integer';
  if (definition.type === 'Boolean' && !/^(true|false)$/.test(values[0] ?? ''))
    return 'must be true or false';
  if (definition.minItems !== undefined && values.length < definition.minItems)
    return `needs at least ${definition.minItems} items`;
  if (definition.maxItems !== undefined && values.length > definition.maxItems)
    return `takes at most ${definition.maxItems} items`;
  for (const value of values) {
    if (definition.minChars !== undefined && value.length < definition.minChars)
      return `needs at least ${definition.minChars} characters`;
    if (definition.maxChars !== undefined && value.length > definition.maxChars)
      return `takes at most ${definition.maxChars} characters`;
    if (definition.allowedValues && !definition.allowedValues.map(String).includes(value))
      return 'has a value that is not allowed';
    if (definition.allowedPattern && !new RegExp(definition.allowedPattern).test(value)) {
      return `does not match the allowed pattern ${definition.allowedPattern}`;
    }
  }
  return undefined;
}

export function defaultOf(definition: ParameterDefinition): readonly string[] | undefined {
  if (definition.default === undefined) return undefined;
  return [definition.default].flat().map(String);
}

function isDefinition(value: unknown): value is ParameterDefinition {
  return isRecord(value) && parameterTypes.includes(String(value['type']));
}

function isStep(value: unknown): value is Step {
  return isRecord(value) && typeof value['action'] === 'string';
}

function invalid(message: string): ServiceFailure {
  return new ServiceFailure('InvalidDocumentContent', message);
}

function invalidParameters(message: string): ServiceFailure {
  return new ServiceFailure('InvalidParameters', message);
}
