output "name" {
  description = "For aws eks update-kubeconfig."
  value       = aws_eks_cluster.this.name
}
