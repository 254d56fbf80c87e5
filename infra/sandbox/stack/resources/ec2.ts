import type { LaunchData } from '../../cloud/ec2/launch-templates.ts';
import type { ResourceTypes, Wanted } from '../resource-type.ts';
import { isMap, scalar, type Json } from '../template.ts';

export const ec2: ResourceTypes = {
  'AWS::EC2::LaunchTemplate': {
    // What an instance gets of it are its user data and its role; policies and tests look at the rest.
    applied: 'all',
    fixed: ['LaunchTemplateName'],
    create(wanted, { hex, cloud }) {
      const id = `lt-${hex(17)}`;
      cloud.launchTemplates.add(id, launchData(wanted));
      return {
        ref: id,
        attributes: { LaunchTemplateId: id, LatestVersionNumber: '1', DefaultVersionNumber: '1' },
      };
    },
    // Its update makes another version of it.
    update({ ref, attributes }, wanted, { cloud }) {
      cloud.launchTemplates.add(ref, launchData(wanted));
      const version = Number(attributes['LatestVersionNumber']) + 1;
      return { ref, attributes: { ...attributes, LatestVersionNumber: String(version) } };
    },
    delete({ ref }, { cloud }) {
      cloud.launchTemplates.delete(ref);
    },
  },
};

function launchData({ properties }: Wanted): LaunchData {
  const data = properties['LaunchTemplateData'];
  const given: Readonly<Record<string, Json>> = isMap(data) ? data : {};
  const profile = given['IamInstanceProfile'];
  return {
    userData:
      given['UserData'] === undefined
        ? undefined
        : Buffer.from(scalar(given['UserData'], 'UserData'), 'base64').toString(),
    instanceProfileArn:
      isMap(profile) && profile['Arn'] !== undefined ? scalar(profile['Arn'], 'Arn') : undefined,
  };
}
