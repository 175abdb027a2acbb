#!/bin/bash
# One training run on several nodes, which share the places of --data and --output:
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

srun --kill-on-bad-exit=1 n2n-tf train --strategy multiworker --resume auto "$@"
status=$?

# 0: done, 2: wrong settings. Else (143: SIGTERM, time is up; others: a node has gone) go on from the last checkpoint
if [ $status -ne 0 ] && [ $status -ne 2 ] && [ "${SLURM_RESTART_COUNT:-0}" -lt 20 ]; then
    scontrol requeue "$SLURM_JOB_ID"
fi
exit $status
