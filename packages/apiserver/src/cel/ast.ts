// Walks over parsed expressions.

import type { ASTNode } from "@marcbachmann/cel-js";

/** The node and every node below it. */
export function* nodesOf(node: ASTNode): Generator<ASTNode> {
  yield node;
  for (const child of childrenOf(node.args)) yield* nodesOf(child);
}

export function childrenOf(args: unknown): ASTNode[] {
  if (Array.isArray(args)) return args.flatMap(childrenOf);
  return isNode(args) ? [args] : [];
}

export function usesVariable(node: ASTNode, name: string): boolean {
  return [...nodesOf(node)].some((each) => each.op === "id" && each.args === name);
}

function isNode(value: unknown): value is ASTNode {
  return typeof value === "object" && value !== null && "op" in value && "args" in value;
}
