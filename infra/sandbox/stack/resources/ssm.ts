import {
  CreateDocumentCommand,
  DeleteDocumentCommand,
  UpdateDocumentCommand,
  UpdateDocumentDefaultVersionCommand,
} from '@aws-sdk/client-ssm';
import { asBefore, optionalText, text, type ResourceTypes, type Wanted } from '../resource-type.ts';

export const ssm: ResourceTypes = {
  'AWS::SSM::Document': {
    applied: ['Name', 'Content', 'DocumentType', 'DocumentFormat', 'VersionName'],
    // There is nothing before to be updated, and every node of the sandbox is an instance.
    inert: ['UpdateMethod', 'TargetType', 'Tags'],
    fixed: ['Name', 'DocumentType'],
    async update(made, wanted, { clients }) {
      if (optionalText(wanted, 'UpdateMethod') !== 'NewVersion')
        throw new Error('CloudFormation replaces such a document, and its name is taken.');
      const { DocumentDescription } = await clients.ssm.send(
        new UpdateDocumentCommand({
          Name: made.ref,
          Content: contentOf(wanted),
          DocumentVersion: '$LATEST',
          DocumentFormat: 'JSON',
        }),
      );
      await clients.ssm.send(
        new UpdateDocumentDefaultVersionCommand({
          Name: made.ref,
          DocumentVersion: DocumentDescription?.DocumentVersion,
        }),
      );
      return asBefore(made);
    },
    async create(wanted, { clients }) {
      const Name = optionalText(wanted, 'Name') ?? wanted.madeUpName;
      await clients.ssm.send(
        new CreateDocumentCommand({
          Name,
          Content: contentOf(wanted),
          DocumentType: text(wanted, 'DocumentType') === 'Session' ? 'Session' : 'Command',
          DocumentFormat: 'JSON',
        }),
      );
      return { ref: Name, attributes: {} };
    },
    delete: ({ ref }, { clients }) => clients.ssm.send(new DeleteDocumentCommand({ Name: ref })),
  },
};

function contentOf({ properties }: Wanted): string {
  const content = properties['Content'];
  return typeof content === 'string' ? content : JSON.stringify(content);
}
