// "What may I do in this namespace?": `kubectl auth can-i --list`.

import { reviewDefinition, flag, struct, text, texts, type Review } from "./review.ts";

export const selfSubjectRulesReview: Review = {
  definition: reviewDefinition({
    group: "authorization.k8s.io",
    kind: "SelfSubjectRulesReview",
    description: "Asks for all that one may do in a namespace.",
    spec: struct("The question.", { namespace: text("The namespace.") }),
    status: struct("The answer.", {
      resourceRules: {
        type: "array",
        description: "What is allowed on resources.",
        items: struct("One rule.", {
          verbs: texts("Verbs."),
          apiGroups: texts("API groups."),
          resources: texts("Resources."),
          resourceNames: texts("Names; all when empty."),
        }),
      },
      nonResourceRules: {
        type: "array",
        description: "What is allowed on other paths.",
        items: struct("One rule.", { verbs: texts("Verbs."), nonResourceURLs: texts("Paths.") }),
      },
      incomplete: flag("Whether rules are missing."),
      evaluationError: text("What went wrong on the way."),
    }),
  }),
  answer(state, { request }, { object }) {
    const { namespace = "" } = (object["spec"] ?? {}) as { namespace?: string };
    const { rules, problems } = state.access.rulesOf(request.user, namespace);
    const isOfPaths = (rule: { readonly nonResourceURLs?: readonly string[] }): boolean =>
      (rule.nonResourceURLs ?? []).length > 0;
    return {
      ...object,
      status: {
        resourceRules: rules.filter((rule) => !isOfPaths(rule)),
        nonResourceRules: rules.filter(isOfPaths),
        incomplete: false,
        ...(problems !== "" && { evaluationError: problems }),
      },
    };
  },
};
