import type { Place } from './place.ts';
import type { Authorize } from './seams.ts';
import type { Requirement } from './service.ts';

/**
 * Whether a service may do all this for one of the account's resources, as it asks when it sends what nobody called it for.
 * @param service such as `events`
 * @param sourceArn of the resource that it acts for
 */
export async function serviceMay(
  { place, authorize }: { readonly place: Place; readonly authorize: Authorize },
  service: string,
  sourceArn: string,
  wanted: readonly Requirement[],
): Promise<boolean> {
  const principal = { name: service, arn: `${service}.amazonaws.com`, accessKeyId: '' };
  for (const need of wanted) {
    for (const resource of need.resources) {
      const decision = await authorize({
        principal,
        action: need.action,
        resource,
        context: {
          'aws:SourceArn': sourceArn,
          'aws:SourceAccount': place.accountId,
          'aws:SecureTransport': 'true',
          ...need.context,
        },
      });
      if (!decision.allowed) return false;
    }
  }
  return true;
}
