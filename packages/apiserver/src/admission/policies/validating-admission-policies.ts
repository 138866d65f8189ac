// The admission plugin that asks ValidatingAdmissionPolicies
// (https://kubernetes.io/docs/reference/access-authn-authz/validating-admission-policy/).

import { StatusError } from "@vivarium/api";
import type { Store } from "@vivarium/store";
import type { Logger } from "pino";
import type { ResourceRegistry } from "../../resource-registry.ts";
import type { Resource } from "../../resource.ts";
import { StoreMirror } from "../../store-mirror.ts";
import { decodeStored, type ApiObject } from "../../stored-object.ts";
import type { AdmissionPlugin, AdmissionRequest, AdmissionSubject } from "../admission-plugin.ts";
import { evaluatePolicy, type PolicyFailure } from "./evaluate-policy.ts";
import { findParams } from "./find-params.ts";
import { isAboutRequest } from "./match-request.ts";
import { PolicyIndex, policyPrefix, type BoundPolicy } from "./policy-index.ts";

export class ValidatingAdmissionPolicies implements AdmissionPlugin {
  readonly name = "ValidatingAdmissionPolicy";
  readonly #store: Store;
  readonly #registry: ResourceRegistry;
  readonly #index = new PolicyIndex();
  readonly #mirror: StoreMirror;

  constructor(options: { readonly store: Store; readonly registry: ResourceRegistry; readonly log: Logger }) {
    const { store, registry, log } = options;
    this.#store = store;
    this.#registry = registry;
    this.#mirror = new StoreMirror({
      store,
      prefix: policyPrefix,
      log,
      onChange: (key, value) => this.#index.set(key, value),
    });
  }

  load(): Promise<void> {
    return this.#mirror.load();
  }

  /** Follows changes of policies and bindings until the signal aborts. */
  follow(signal: AbortSignal): Promise<void> {
    return this.#mirror.follow(signal);
  }

  isInterested(subject: AdmissionSubject): boolean {
    return this.#find(subject).length > 0;
  }

  async admit(request: AdmissionRequest): Promise<undefined> {
    const { resource } = request;
    const noted: object[] = [];
    const namespace = await this.#namespaceOf(request);
    const versions = this.#versionsOf(resource);
    const namespaceLabels = namespace?.metadata.labels ?? (request.namespace === undefined ? undefined : {});
    for (const bound of this.#find(request)) {
      const { policy, binding } = bound;
      const place = { versions, namespaceLabels };
      const isAbout =
        isAboutRequest(policy.spec.matchConstraints, request, place) &&
        isAboutRequest(binding.spec.matchResources, request, place);
      if (!isAbout) continue;
      for (const failure of await this.#evaluate(bound, request, namespace)) {
        if (failure.kind === "failed" && policy.spec.failurePolicy === "Ignore") continue;
        const { validationActions } = binding.spec;
        const message = `ValidatingAdmissionPolicy '${policy.name}' with binding '${binding.name}' denied request: ${failure.message}`;
        if (validationActions.includes("Audit"))
          noted.push({ message: failure.message, policy: policy.name, binding: binding.name, validationActions });
        if (validationActions.includes("Warn"))
          request.warnings.push(
            `Validation failed for ValidatingAdmissionPolicy '${policy.name}' with binding '${binding.name}': ${failure.message}`,
          );
        if (validationActions.includes("Deny")) {
          note(request, noted);
          throw denied(request, message, failure.reason);
        }
      }
    }
    note(request, noted);
    return undefined;
  }

  #find(subject: AdmissionSubject): readonly BoundPolicy[] {
    return this.#index.find(subject, () => this.#versionsOf(subject.resource));
  }

  async #evaluate(
    { policy, binding }: BoundPolicy,
    request: AdmissionRequest,
    namespaceObject: ApiObject | undefined,
  ): Promise<readonly PolicyFailure[]> {
    const source = { store: this.#store, registry: this.#registry };
    const { params, problem } = await findParams(source, policy.spec, {
      binding: binding.spec,
      namespace: request.namespace,
    });
    if (problem !== undefined) return [{ kind: "failed", message: problem, reason: "Invalid" }];
    const { object, oldObject } = request;
    const input = { object, oldObject, request: describe(request), namespaceObject };
    const annotate = (key: string, value: string): void => {
      const name = `${policy.name}/${key}`;
      const before = request.auditAnnotations.get(name);
      request.auditAnnotations.set(name, before === undefined || before === value ? value : `${before}, ${value}`);
    };
    return params.flatMap((each) => evaluatePolicy(policy.compiled, { ...input, params: each }, annotate));
  }

  async #namespaceOf({ namespace }: AdmissionRequest): Promise<ApiObject | undefined> {
    const resource = this.#registry.find("", "v1", "namespaces");
    if (namespace === undefined || resource === undefined) return undefined;
    const found = await this.#store.get(resource.keyOf(undefined, namespace));
    return found === undefined ? undefined : decodeStored(found, resource);
  }

  #versionsOf({ group, plural }: Resource): readonly string[] {
    return this.#registry
      .all()
      .filter((each) => each.group === group && each.plural === plural)
      .map((each) => each.version);
  }
}

const failureAnnotation = "validation.policy.admission.k8s.io/validation_failure";

function note({ auditAnnotations }: AdmissionRequest, failures: readonly object[]): void {
  if (failures.length > 0) auditAnnotations.set(failureAnnotation, JSON.stringify(failures));
}

/** The variable `request`. */
function describe(request: AdmissionRequest): object {
  const { group, version, kind, plural } = request.resource;
  const { name: username, ...user } = request.user;
  return {
    kind: { group, version, kind },
    resource: { group, version, resource: plural },
    subResource: request.subresource ?? "",
    requestKind: { group, version, kind },
    requestResource: { group, version, resource: plural },
    requestSubResource: request.subresource ?? "",
    name: request.name,
    namespace: request.namespace ?? "",
    operation: request.operation,
    userInfo: { username, ...user },
    dryRun: request.isDryRun,
  };
}

function denied({ resource, name }: AdmissionRequest, message: string, reason: PolicyFailure["reason"]): StatusError {
  return new StatusError(reason, `${resource.qualifiedPlural} ${JSON.stringify(name)} is forbidden: ${message}`, {
    details: {
      ...resource.detailsOf(name),
      causes: [{ reason: "FieldValueInvalid", field: "", message }],
    },
  });
}
