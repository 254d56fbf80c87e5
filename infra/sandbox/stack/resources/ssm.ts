import { CreateDocumentCommand, DeleteDocumentCommand } from '@aws-sdk/client-ssm';
import { optionalText, text, type ResourceTypes } from '../resource-type.ts';

export const ssm: ResourceTypes = {
  'AWS::SSM::Document': {
    applied: ['Name', 'Content', 'DocumentType', 'DocumentFormat', 'VersionName'],
    // There is nothing before to be updated, and every node of the sandbox is an instance.
    inert: ['UpdateMethod', 'TargetType', 'Tags'],
    async create(wanted, { clients }) {
      const content = wanted.properties['Content'];
      const Name = optionalText(wanted, 'Name') ?? wanted.madeUpName;
      await clients.ssm.send(
        new CreateDocumentCommand({
          Name,
          Content: typeof content === 'string' ? content : JSON.stringify(content),
          DocumentType: text(wanted, 'DocumentType') === 'Session' ? 'Session' : 'Command',
          DocumentFormat: 'JSON',
        }),
      );
      return { ref: Name, attributes: {} };
    },
    delete: ({ ref }, { clients }) => clients.ssm.send(new DeleteDocumentCommand({ Name: ref })),
  },
};
