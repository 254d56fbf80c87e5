/** Versions of S3's objects, and lists of them. */
import type { Limit } from './limit.ts';

const errors = {
  title: 'Error responses, Amazon S3 API Reference',
  url: 'https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html',
};

/** The version of what was put while its bucket kept none. */
export const nullVersion = 'null';

export const versionId: Limit = {
  what: "an object version's ID",
  // Opaque, and at most 1,024 bytes; those that S3 makes have looked like this.
  pattern: /^(?:null|[A-Za-z0-9._]{32})$/,
  source: {
    title: 'How S3 Versioning works',
    url: 'https://docs.aws.amazon.com/AmazonS3/latest/userguide/versioning-workflows.html',
  },
  refusal: {
    code: 'InvalidArgument',
    words: (given) =>
      given === '' ? 'Version id cannot be the empty string' : 'Invalid version id specified',
    seen: errors,
  },
};

/** A page of a list has this many entries at most, whatever is asked for. */
export const mostListed = 1000;

export const maxKeys: Limit = {
  what: 'max-keys of a list',
  pattern: /^\d{1,10}$/,
  source: {
    title: 'ListObjectVersions, Amazon S3 API Reference',
    url: 'https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectVersions.html',
  },
  refusal: {
    code: 'InvalidArgument',
    words: () => 'Provided max-keys not an integer or within integer range',
    seen: errors,
  },
};

export const wordsOfVersions = {
  unknown: 'The specified version does not exist.',
  /** A PUT makes the version's ID. */
  notHere: 'This operation does not accept a version-id.',
  markerAlone: 'A version-id marker cannot be specified without a key marker.',
};
