/** Something that a person must change before a service can start here. */
export class SupervisorProblem extends Error {
  override readonly name = 'SupervisorProblem';
  /** `usage`: arguments or files; `running`: another service is here; `failed`: a process did not start. */
  readonly kind: 'usage' | 'running' | 'failed';
  readonly wayOut: string;
  constructor(kind: SupervisorProblem['kind'], problem: string, wayOut: string) {
    super(problem);
    this.kind = kind;
    this.wayOut = wayOut;
  }
}
