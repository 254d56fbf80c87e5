/**
 * Scripts that a group brings itself. Its tags name command documents; only those that the configuration pins are run, so that a tag
 * alone decides nothing about what runs on nodes as root.
 */
import { AdjoinError } from '../errors.ts';
import type { Document } from '../nodes/nodes.ts';

/** The tags of a group that name its own documents. */
export const JOIN_DOCUMENT_TAG = 'adjoin:JoinDocument';
export const LEAVE_DOCUMENT_TAG = 'adjoin:LeaveDocument';
export const POST_JOIN_DOCUMENT_TAG = 'adjoin:PostJoinDocument';
/** The tag that says what a failed post-join document does to the launch: `CONTINUE` (default) or `ABANDON`. */
export const POST_JOIN_FAILURE_TAG = 'adjoin:OnPostJoinFailure';

type Tags = ReadonlyMap<string, string>;

/** A pinned document as the configuration writes it: `NAME:VERSION:SHA256`. */
export function documentOf(text: string): Document {
  const [name = '', version = '', hash = ''] = text.split(':');
  return { name, version, hash };
}

function named(tags: Tags, tag: string, pinned: readonly Document[]): Document | undefined {
  const name = tags.get(tag);
  if (name === undefined) return undefined;
  const found = pinned.find((document) => document.name === name);
  if (found) return found;
  const shown = JSON.stringify(name.replaceAll(/[^ -~]/g, '?').slice(0, 128));
  const allowed = pinned.map((document) => document.name).join(', ');
  throw new AdjoinError(
    'group-tag-invalid',
    `The group's tag ${tag} is ${shown}, which is no document of ownDocuments in the configuration; those are: ${allowed || 'none'}.`,
  );
}

/** The documents of a group's launches. @throws AdjoinError `group-tag-invalid` */
export function launchDocuments(
  tags: Tags,
  pinned: readonly Document[],
): { readonly join: Document | undefined; readonly postJoin: Document | undefined } {
  // A wrong value stops the launch here: afterwards, the node is a member, and a failure policy that no one can read is of no use.
  mustPostJoinSucceed(tags);
  return {
    join: named(tags, JOIN_DOCUMENT_TAG, pinned),
    postJoin: named(tags, POST_JOIN_DOCUMENT_TAG, pinned),
  };
}

/** The document that takes a group's nodes out of the domain. @throws AdjoinError `group-tag-invalid` */
export const leaveDocument = (tags: Tags, pinned: readonly Document[]): Document | undefined =>
  named(tags, LEAVE_DOCUMENT_TAG, pinned);

/** Whether a launch fails with its post-join document. @throws AdjoinError `group-tag-invalid` */
export function mustPostJoinSucceed(tags: Tags): boolean {
  const policy = tags.get(POST_JOIN_FAILURE_TAG) ?? 'CONTINUE';
  if (policy === 'CONTINUE' || policy === 'ABANDON') return policy === 'ABANDON';
  throw new AdjoinError(
    'group-tag-invalid',
    `The group's tag ${POST_JOIN_FAILURE_TAG} is neither CONTINUE nor ABANDON.`,
  );
}
