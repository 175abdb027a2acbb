#!/bin/bash
# One training run on several nodes, which share the places of --data and --output and the folder of this job:
#   sbatch deploy/slurm-train.sh --data /shared/images --noise none --output /shared/runs/first
#SBATCH --job-name=n2n-train
#SBATCH --nodes=2
#SBATCH --ntasks-per-node=1
#SBATCH --cpus-per-task=8
#SBATCH --time=24:00:00
#SBATCH --signal=TERM@120
#SBATCH --requeue
#SBATCH --open-mode=append
# On GPU nodes also: #SBATCH --gpus-per-task=1

failed=slurm-$SLURM_JOB_ID.failed
rm -f "$failed"
srun --cpus-per-task="${SLURM_CPUS_PER_TASK:-1}" bash -c '
    trap : TERM # n2n-tf gets it too, saves and stops
    n2n-tf train --strategy multiworker --resume auto "$@"
    status=$?
    if [ $status -eq 1 ] || [ $status -eq 2 ]; then echo $status >> "$0"; fi
    exit $status
' "$failed" "$@"
status=$?

# 0: done; where one worker ended with 1 or 2 the run itself is at fault, and its log says how. After anything else
# (143: SIGTERM, 75: another worker has gone, 137: out of memory) the job goes on from the last checkpoint.
if [ $status -ne 0 ] && [ ! -e "$failed" ] && [ "${SLURM_RESTART_COUNT:-0}" -lt 20 ]; then
    scontrol requeue "$SLURM_JOB_ID"
fi
exit $status
