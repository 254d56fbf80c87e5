import { optionalText, text, type ResourceTypes } from '../resource-type.ts';
import { TemplateError } from '../template.ts';

export const waiting: ResourceTypes = {
  'AWS::CloudFormation::WaitConditionHandle': {
    applied: [],
    create: ({ madeUpName }, { cloud }) => ({ ref: cloud.waitHandles.make(madeUpName), attributes: {} }),
    delete: () => undefined,
  },
  'AWS::CloudFormation::WaitCondition': {
    applied: ['Count', 'Handle', 'Timeout'],
    async create(wanted, { cloud }) {
      const count = Number(optionalText(wanted, 'Count') ?? '1');
      const data = await cloud.waitHandles.wait(
        text(wanted, 'Handle'),
        count,
        Number(text(wanted, 'Timeout')),
      );
      return { ref: wanted.madeUpName, attributes: { Data: data } };
    },
    // "Update requires: Updates are not supported.", of each of its properties.
    update() {
      throw new TemplateError('Update to resource type AWS::CloudFormation::WaitCondition is not supported.');
    },
    delete: () => undefined,
  },
};
