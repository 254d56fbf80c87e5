import {
  CreateDocument$,
  DeleteDocument$,
  DescribeDocument$,
  GetDocument$,
  ListDocuments$,
  UpdateDocument$,
  UpdateDocumentDefaultVersion$,
  type CreateDocumentCommandInput,
  type CreateDocumentResult,
  type DeleteDocumentCommandInput,
  type DescribeDocumentCommandInput,
  type DescribeDocumentResult,
  type DocumentDescription,
  type GetDocumentCommandInput,
  type GetDocumentResult,
  type ListDocumentsCommandInput,
  type ListDocumentsResult,
  type UpdateDocumentCommandInput,
  type UpdateDocumentDefaultVersionCommandInput,
  type UpdateDocumentDefaultVersionResult,
  type UpdateDocumentResult,
} from '@aws-sdk/client-ssm';
import { ServiceFailure } from '../failure.ts';
import { operationsOn } from '../operations.ts';
import { page } from '../pages.ts';
import type { Place } from '../place.ts';
import type { Operation, Resource } from '../service.ts';
import { defaultOf, platformTypes, type DocumentType } from './document.ts';
import type { Documents, DocumentVersion, StoredDocument } from './documents.ts';
import { documentResource } from './resources.ts';

interface DocumentParts {
  readonly place: Place;
  readonly documents: Documents;
}

export function documentOperations(parts: DocumentParts): Operation[] {
  const on = operationsOn('ssm', parts);
  return [
    on(CreateDocument$, createDocument, named),
    on(UpdateDocument$, updateDocument, named),
    on(UpdateDocumentDefaultVersion$, updateDefault, named),
    on(DescribeDocument$, describeDocument, named),
    on(GetDocument$, getDocument, named),
    on(DeleteDocument$, deleteDocument, named),
    on(ListDocuments$, listDocuments),
  ];
}

/** The document that the input names. */
function named(parts: DocumentParts, input: { Name?: string | undefined }): Resource[] {
  return [documentResource(parts, input.Name)];
}

function createDocument(
  { documents }: DocumentParts,
  input: CreateDocumentCommandInput,
): CreateDocumentResult {
  requireJson(input.DocumentFormat);
  const type = documentType(input.DocumentType);
  const stored = documents.create(input.Name ?? '', input.Content ?? '', input.VersionName, type);
  return { DocumentDescription: description(stored, documents.version(stored, '1')) };
}

function updateDocument(
  { documents }: DocumentParts,
  input: UpdateDocumentCommandInput,
): UpdateDocumentResult {
  requireJson(input.DocumentFormat);
  const stored = documents.get(input.Name);
  const latest = documents.version(stored, '$LATEST');
  if (documents.version(stored, input.DocumentVersion ?? '$LATEST').version !== latest.version) {
    throw new ServiceFailure(
      'InvalidDocumentVersion',
      'Only the latest version of a document can be updated.',
    );
  }
  return {
    DocumentDescription: description(
      stored,
      documents.update(stored, input.Content ?? '', input.VersionName),
    ),
  };
}

function updateDefault(
  { documents }: DocumentParts,
  input: UpdateDocumentDefaultVersionCommandInput,
): UpdateDocumentDefaultVersionResult {
  const stored = documents.get(input.Name);
  stored.defaultVersion = documents.version(stored, input.DocumentVersion).version;
  return { Description: { Name: stored.name, DefaultVersion: stored.defaultVersion } };
}

function describeDocument(
  { documents }: DocumentParts,
  input: DescribeDocumentCommandInput,
): DescribeDocumentResult {
  const stored = documents.get(input.Name);
  return { Document: description(stored, documents.version(stored, input.DocumentVersion)) };
}

function getDocument({ documents }: DocumentParts, input: GetDocumentCommandInput): GetDocumentResult {
  const stored = documents.get(input.Name);
  const version = documents.version(stored, input.DocumentVersion);
  return {
    Name: stored.name,
    DocumentVersion: version.version,
    VersionName: version.versionName,
    Status: 'Active',
    Content: version.content,
    DocumentType: stored.type,
    DocumentFormat: 'JSON',
    CreatedDate: version.createdAt,
  };
}

function deleteDocument({ documents }: DocumentParts, input: DeleteDocumentCommandInput): object {
  documents.delete(documents.get(input.Name));
  return {};
}

function listDocuments({ documents }: DocumentParts, input: ListDocumentsCommandInput): ListDocumentsResult {
  const wanted = documents.all().filter((stored) =>
    (input.Filters ?? []).every(({ Key, Values }) => {
      if (Key === 'Name') return (Values ?? []).some((each) => stored.name.startsWith(each));
      if (Key !== 'Owner') return true;
      const owner = stored.owner === 'Amazon' ? 'Amazon' : 'Self';
      return (Values ?? []).some((each) => each === owner || each === 'All');
    }),
  );
  const given = page(
    wanted,
    (each) => each.name,
    input.NextToken,
    input.MaxResults ?? 10,
    'InvalidNextToken',
  );
  return {
    DocumentIdentifiers: given.items.map((each) => ({
      Name: each.name,
      Owner: each.owner,
      CreatedDate: each.versions[0]?.createdAt,
      DocumentVersion: each.defaultVersion,
      DocumentType: each.type,
      SchemaVersion: each.versions[0]?.document.schemaVersion,
      DocumentFormat: 'JSON',
      PlatformTypes: platformTypes(documents.version(each, undefined).document),
    })),
    NextToken: given.next,
  };
}

function requireJson(format: string | undefined): void {
  if ((format ?? 'JSON') !== 'JSON') {
    throw new ServiceFailure('InvalidDocumentContent', 'The sandbox reads documents in JSON only.');
  }
}

function documentType(type = 'Command'): DocumentType {
  if (type === 'Command' || type === 'Session') return type;
  throw new ServiceFailure(
    'InvalidDocumentType',
    'The sandbox holds documents of the types Command and Session only.',
  );
}

function description(stored: StoredDocument, version: DocumentVersion): DocumentDescription {
  const parsed = version.document;
  return {
    Name: stored.name,
    Owner: stored.owner,
    Hash: version.hash,
    HashType: 'Sha256',
    VersionName: version.versionName,
    CreatedDate: version.createdAt,
    Status: 'Active',
    DocumentVersion: version.version,
    LatestVersion: stored.versions.at(-1)?.version,
    DefaultVersion: stored.defaultVersion,
    Description: parsed.description,
    DocumentType: stored.type,
    DocumentFormat: 'JSON',
    SchemaVersion: parsed.schemaVersion,
    PlatformTypes: platformTypes(parsed),
    Parameters: Object.entries(parsed.parameters).map(([Name, definition]) => ({
      Name,
      Type: definition.type === 'StringList' ? 'StringList' : 'String',
      Description: definition.description,
      DefaultValue:
        definition.type === 'StringList' && definition.default !== undefined
          ? JSON.stringify(definition.default)
          : defaultOf(definition)?.[0],
    })),
  };
}
