// How far the work on an object is, in one line: of the kinds whose status has a phase.

interface WorkState {
  readonly phase?: string;
  readonly message?: string;
  readonly percentage?: number | undefined;
  readonly eta?: string | undefined;
}

export function workStage({ phase = "Pending", message = "", percentage, eta }: WorkState): string {
  const done = percentage === undefined ? "" : ` ${percentage} %`;
  const left = eta === undefined ? "" : `, ${eta} left`;
  // Of what is ready the phase says all.
  return `${phase}${done}${left}${message === "" || phase === "Ready" ? "" : `: ${message}`}`;
}
