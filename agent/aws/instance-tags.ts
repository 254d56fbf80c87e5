import { DescribeTagsCommand, type EC2Client } from '@aws-sdk/client-ec2';
import { callAws } from './errors.ts';

/** The value of one tag of an instance, or undefined. Asked only where the group's own tags do not answer. */
export async function readInstanceTag(
  client: EC2Client,
  instanceId: string,
  key: string,
  signal: AbortSignal,
): Promise<string | undefined> {
  const answer = await callAws(`ec2:DescribeTags of ${instanceId}`, signal, () =>
    client.send(
      new DescribeTagsCommand({
        Filters: [
          { Name: 'resource-id', Values: [instanceId] },
          { Name: 'key', Values: [key] },
        ],
      }),
      { abortSignal: signal },
    ),
  );
  return answer.Tags?.[0]?.Value;
}
