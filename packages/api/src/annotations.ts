// Keys that people and programs put on objects.

/** Holds a VirtualMachine until nothing of it is left on the hypervisor. */
export const virtualMachineFinalizer = "virtualmachine.infra.virtrigaud.io/finalizer";

/** On a VirtualMachine; each new value (by custom the time, RFC 3339) asks for one restart. */
export const restartAnnotation = "vivarium.dev/restart-requested-at";
