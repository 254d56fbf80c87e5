/** Systems Manager: documents. */
import type { Limit, Source } from './limit.ts';

const createDocument: Source = {
  title: 'CreateDocument, AWS Systems Manager API Reference',
  url: 'https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_CreateDocument.html',
};

/** "This quota also includes the content specified for input parameters at runtime", so commands are held to it, too. */
export const documentBytes: Limit = {
  what: 'bytes of a document, with the parameters of a command',
  most: 65_536,
  unit: 'bytes',
  source: createDocument,
  refusal: {
    code: 'MaxDocumentSizeExceeded',
    words: () => 'Maximum document content size 64 KB exceeded.',
  },
};

const commandFilter: Source = {
  title: 'CommandFilter, AWS Systems Manager API Reference',
  url: 'https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_CommandFilter.html',
};

/** The form of the examples of the reference; no other is documented. */
export const filterTime: Limit = {
  what: 'the time of a filter for commands',
  pattern: /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/,
  source: commandFilter,
  refusal: {
    code: 'ValidationException',
    words: (given) => `Value '${given}' at 'filters' is not a time such as 2024-07-07T00:00:00Z`,
  },
};

export const commandFilters: Limit = {
  what: 'filters of one listing of commands',
  least: 1,
  most: 5,
  source: {
    title: 'ListCommandInvocations, AWS Systems Manager API Reference',
    url: 'https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_ListCommandInvocations.html',
  },
  refusal: {
    code: 'ValidationException',
    words: (given) => `${given} filters at 'filters': there must be 1 to 5`,
  },
};

export const commandPage: Limit = {
  what: 'items of one page of a listing of commands',
  least: 1,
  most: 50,
  source: {
    title: 'ListCommandInvocations, AWS Systems Manager API Reference',
    url: 'https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_ListCommandInvocations.html',
  },
  refusal: {
    code: 'ValidationException',
    words: (given) => `Value '${given}' at 'maxResults' must be from 1 to 50`,
  },
};

/** What an invocation can be asked for by; other statuses are those of whole commands (API reference, CommandFilter). */
export const invocationStatuses: ReadonlySet<string> = new Set([
  'Pending',
  'InProgress',
  'Delayed',
  'Success',
  'Cancelled',
  'Failed',
  'TimedOut',
  'DeliveryTimedOut',
  'ExecutionTimedOut',
  'Undeliverable',
  'InvalidPlatform',
  'Terminated',
]);

export const documentName: Limit = {
  what: "a document's name",
  pattern: /^[\w.-]{3,128}$/,
  source: createDocument,
  refusal: {
    code: 'ValidationException',
    words: (given) => `Value '${given}' at 'name' must match [a-zA-Z0-9_\\-.]{3,128}`,
  },
};

/** AWS's own prefixes. */
export const documentPrefix: Limit = {
  what: "the beginning of a document's name",
  pattern: /^(?!aws|amazon|amzn)/i,
  source: createDocument,
  refusal: {
    code: 'ValidationException',
    words: () => 'Document names must not begin with aws, amazon or amzn.',
  },
};
