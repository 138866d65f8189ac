// The lease of the server whose controllers run: `kubectl get lease -n vivarium-system` shows who that is.

export const controllersLease = { namespace: "vivarium-system", name: "viv-controllers" };
