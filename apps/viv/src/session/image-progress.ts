// How far an image is, in one line.

import { findCondition, type VMImage } from "@vivarium/api";
import { formatBytes } from "../output/byte-size.ts";

export function imageProgress(image: VMImage): string {
  const { status } = image;
  if (status?.ready === true) return "ready";
  const phase = status?.phase ?? "Pending";
  const progress = status?.importProgress;
  const detail = status?.message ?? findCondition(status?.conditions, "Ready")?.message ?? "";
  const parts: string[] = [phase];
  if (progress?.transferredBytes !== undefined && progress.transferredBytes > 0) {
    const total = progress.totalBytes ?? 0;
    const percent = progress.percentage === undefined ? "" : ` ${progress.percentage}%`;
    parts.push(
      `${percent} ${formatBytes(progress.transferredBytes)}${total > 0 ? ` of ${formatBytes(total)}` : ""}`.trim(),
    );
    if (progress.transferRate !== undefined && progress.transferRate > 0)
      parts.push(`${formatBytes(progress.transferRate)}/s`);
    if (progress.eta !== undefined) parts.push(`${progress.eta} left`);
  }
  return detail === "" ? parts.join(", ") : `${parts.join(", ")}: ${detail}`;
}
