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
