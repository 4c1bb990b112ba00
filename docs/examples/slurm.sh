#!/bin/bash
# Four hosts with eight GPUs each, one worker a GPU: sbatch slurm.sh
#SBATCH --job-name=zoo
#SBATCH --nodes=4
#SBATCH --ntasks-per-node=8
#SBATCH --gpus-per-task=1
#SBATCH --cpus-per-task=8
#SBATCH --time=12:00:00
#SBATCH --requeue

set -euo pipefail

# After a requeue the run goes on from its last checkpoint.
runs="$SLURM_SUBMIT_DIR/runs-$SLURM_JOB_ID"
if run=$(ls -d "$runs"/*/ 2>/dev/null | head -1) && [ -n "$run" ]; then
    srun zoo train --resume "$run"
else
    srun zoo train vision --data "$SLURM_SUBMIT_DIR/pictures" --runs "$runs"
fi
