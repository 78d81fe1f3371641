export const appraise = 'src/verifier/appraise';
