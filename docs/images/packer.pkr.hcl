# Prepares an image for adjoin with Packer: `packer build -var source_ami=ami-… -var subnet_id=subnet-… docs/images/packer.pkr.hcl`,
# in the clone, after `npm run synth`. The script is the last provisioner: it removes host keys and the machine ID.
packer {
  required_plugins {
    amazon = {
      source  = "github.com/hashicorp/amazon"
      version = ">= 1.3.0"
    }
  }
}

variable "source_ami" { type = string }
variable "subnet_id" { type = string }
variable "ssh_username" {
  type    = string
  default = "ec2-user"
}

source "amazon-ebs" "fleet" {
  ami_name      = "fleet-{{timestamp}}"
  source_ami    = var.source_ami
  subnet_id     = var.subnet_id
  instance_type = "t3.small"
  ssh_username  = var.ssh_username
}

build {
  sources = ["source.amazon-ebs.fleet"]

  provisioner "shell" {
    script          = "cdk.out/prepare-image.sh"
    execute_command = "sudo sh {{ .Path }}"
  }
}
