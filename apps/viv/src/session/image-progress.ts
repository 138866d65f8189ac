// How far an image is, in one line.

import { findCondition, type VMImage } from "@vivarium/api";

export function imageProgress({ status }: VMImage): string {
  if (status?.ready === true) return "ready";
  const phase = status?.phase ?? "Pending";
  const message = status?.message ?? findCondition(status?.conditions, "Ready")?.message ?? "";
  if (message === "") return phase;
  // While it is worked on, the message says with what and how far.
  return phase === "Pending" || phase === "Failed" ? `${phase}: ${message}` : message;
}
