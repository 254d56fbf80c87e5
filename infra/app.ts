/**
 * The CDK app: templates that need no assets and no bootstrap. A CDK app of another project uses the construct
 * `DomainMembership` instead.
 */
import { App, Validations } from 'aws-cdk-lib';
import { AwsSolutionsChecks } from 'cdk-nag';
import { sha256Of } from './agent-file.ts';
import { acknowledge, acknowledgePrerequisites } from './acknowledged.ts';
import { AttachStack } from './attach-stack.ts';
import { IamEventsStack } from './iam-events.ts';
import { PrerequisitesStack } from './prerequisites.ts';
import { MembershipStack } from './stack.ts';

export interface AppProps {
  readonly outdir: string;
  /** The bundled agent; the template contains its hash. */
  readonly agentFile: string;
}

export function createApp({ outdir, agentFile }: AppProps): App {
  const app = new App({
    outdir,
    analyticsReporting: false,
    // The legacy synthesizer needs no bootstrap, so that the templates can be deployed by themselves.
    context: { '@aws-cdk/core:newStyleStackSynthesis': false },
  });
  const stack = new MembershipStack(app, 'adjoin', { agentSha256: sha256Of(agentFile) });
  new AttachStack(app, 'adjoin-attach');
  const prerequisites = new PrerequisitesStack(app, 'adjoin-prerequisites');
  new IamEventsStack(app, 'adjoin-iam-events');
  acknowledge(stack.membership);
  acknowledgePrerequisites(prerequisites);
  Validations.of(app).addPlugins(new AwsSolutionsChecks(app));
  return app;
}
