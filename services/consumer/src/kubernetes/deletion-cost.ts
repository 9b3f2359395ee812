/**
 * What it costs to delete this pod, for Kubernetes' controllers: of the pods that could go, the one with the lowest cost
 * goes first (annotation `controller.kubernetes.io/pod-deletion-cost`, an int32). It is what the consumer holds: messages
 * that are not settled would be handed over or delivered again.
 *
 * The annotation is a write to the API server, so it follows in steps of a quarter and not message by message.
 */
export const costAnnotation = 'controller.kubernetes.io/pod-deletion-cost';

const costMax = 2_147_483_647;
const stepRatio = 1.25;

/** Rounded down to a power of 1.25: what changes less than that is not worth a write. */
export function deletionCost(messagesHeld: number): number {
  if (messagesHeld < 1) return 0;
  const step = Math.floor(Math.log(messagesHeld) / Math.log(stepRatio));
  return Math.min(costMax, Math.round(stepRatio ** step));
}
